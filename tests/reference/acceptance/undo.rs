//! Cases 12 and 13: what a failure undoes, and what a failed undo leaves.

use std::sync::Arc;

use saga_core::log::NodePath;
use saga_core::operator::Answer;
use saga_core::prelude::*;
use saga_core::store::{MemoryStore, Store};
use saga_core::{ActionState, CoordinatorBuilder, SagaStatus};

use crate::common::world::{Do, Process, World, out};

type W = Arc<World>;

saga! {
    #[allow(unused_variables)]
    Diamond<W>() {
        let a = out {};
        parallel {
            let b = out {};
            let c = out {};
        }
        let d = out {};
    }
}
saga! {
    #[allow(unused_variables)]
    Chain<W>() {
        let a = out {};
        let b = out {};
        let c = out {};
        let d = out {};
    }
}

fn sagas(builder: CoordinatorBuilder<W>) -> CoordinatorBuilder<W> {
    builder.saga::<Diamond>().saga::<Chain>().max_concurrency(1)
}

fn ended(process: &Process) -> SagaError {
    let saga = process.until(process.sec.get::<serde_json::Value>("x")).unwrap().unwrap();
    process.until(async { saga.await }).unwrap_err()
}

fn status(process: &Process, store: &MemoryStore) -> SagaStatus {
    process.until(store.load(&"x".parse().unwrap())).unwrap().unwrap().record.status
}

#[test]
fn case_12_what_ran_is_undone_in_reverse_and_only_once() {
    let (world, store) = (Arc::new(World::default()), MemoryStore::new());
    world.script("c", [Do::Fails]);
    let process = Process::start(&world, &store, sagas);
    process.until(process.sec.saga(Diamond {}).id("x").start()).unwrap();
    assert!(matches!(ended(&process), SagaError::RolledBack(_)));
    let said = ["do a", "do b", "do c", "undo b", "undone b", "undo a", "undone a"];
    assert_eq!(world.said(), said, "d never ran");
    let again = process.until(process.sec.operator("alice").rollback("x", "again"));
    assert_eq!(again.unwrap(), Answer::NothingToDo { status: SagaStatus::RolledBack });
    assert_eq!(world.said(), said);
    assert!(world.effects().is_empty());
}

#[test]
fn case_13_a_failed_undo_makes_it_stuck_until_it_works() {
    let (world, store) = (Arc::new(World::default()), MemoryStore::new());
    world.script("d", [Do::Fails]);
    world.script("undo b", [Do::FailsForGood]);
    let process = Process::start(&world, &store, sagas);
    process.until(process.sec.saga(Chain {}).id("x").start()).unwrap();
    let error = ended(&process);
    assert!(matches!(error, SagaError::Stuck(_)), "{error}");
    let report = error.report().unwrap();
    let states = report.nodes.iter().map(|node| node.state).collect::<Vec<_>>();
    use ActionState::{Completed, Failed, UndoFailed, Undone};
    assert_eq!(states, [Completed, UndoFailed, Undone, Failed]);
    assert_eq!(report.remaining_effects().map(NodePath::as_str).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(status(&process, &store), SagaStatus::Stuck);
    let before = world.said().len();
    process.until(process.sec.operator("alice").retry_undo("x", "b")).unwrap();
    assert!(matches!(ended(&process), SagaError::RolledBack(_)));
    assert_eq!(world.said()[before..], ["undo b", "undone b", "undo a", "undone a"]);
    assert_eq!(status(&process, &store), SagaStatus::RolledBack);
    assert!(world.effects().is_empty());
}
