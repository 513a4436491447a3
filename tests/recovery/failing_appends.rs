//! Whichever append fails, the saga stops at that point and resumes by itself once the store works again.
//! Its handle waits for that, and another process finds a consistent log.

use std::sync::Arc;
use std::time::Duration;

use crate::common::failing_store::FailingStore;
use crate::common::world::{Do, Process, World, bare, maybe, out, plain};
use saga_core::operator::{Answer, OperateError};
use saga_core::prelude::*;
use saga_core::store::{Store, WorkerId};
use saga_core::{CoordinatorBuilder, StartError};
use serde_json::Value;

type W = Arc<World>;

saga! {
    #[allow(unused_variables)]
    Side<W>() -> String {
        let a = out {};
        parallel {
            let b = maybe {};
            let c = plain {};
        }
        let d = bare {};
        let e = out {};
        { e.clone() }
    }
}

const NODES: [&str; 4] = ["a", "b", "c", "e"];

fn sagas(builder: CoordinatorBuilder<W>) -> CoordinatorBuilder<W> {
    builder.saga::<Side>()
}

/// A saga with these scripts, and what an operator does meanwhile.
struct Case {
    name: &'static str,
    scripts: &'static [(&'static str, &'static [Do])],
    operator: bool,
}

const CASES: [Case; 4] = [
    Case { name: "forward", scripts: &[("c", &[Do::Fails])], operator: false },
    Case { name: "unwinding", scripts: &[("e", &[Do::Fails])], operator: false },
    Case {
        name: "undos that fail",
        scripts: &[("e", &[Do::Panics]), ("undo c", &[Do::Fails]), ("undo e", &[Do::Fails])],
        operator: false,
    },
    Case { name: "operators", scripts: &[("undo b", &[Do::FailsForGood])], operator: true },
];

/// What an operator does, as long as the store does not fail; all of it is answered.
async fn steer(process: &Process, store: &FailingStore) {
    let alice = process.sec.operator("alice");
    type Asked = Result<Answer, OperateError>;
    let heard = |asked: Asked| match asked {
        Ok(_) | Err(OperateError::Refused { .. }) => store.failed().is_none(),
        Err(_) if store.failed().is_some() => false,
        Err(error) => panic!("{error}"),
    };
    let tells = async {
        heard(alice.pause("x").await)
            && heard(alice.step("x").await)
            && heard(alice.step("x").await)
            && heard(alice.resume("x").await)
            && heard(alice.cancel("x", "enough").await)
            && ended(process).await
            && heard(alice.rollback("x", "enough").await)
            && ended(process).await
            && heard(alice.retry_undo("x", "b").await)
            && ended(process).await
            && heard(alice.retry_all("x").await)
    };
    tells.await;
}

async fn ended(process: &Process) -> bool {
    let found = process.sec.get::<Value>("x").await.unwrap().unwrap();
    !matches!(found.await, Err(SagaError::Store { .. }))
}

/// Runs a case whose write number `at` fails; false if it has fewer.
fn run(case: &Case, at: usize, lands: bool) -> bool {
    let what = format!("{}, write {at}, lands: {lands}", case.name);
    let world = Arc::new(World::default());
    for (call, script) in case.scripts {
        world.script(call, script.iter().copied());
    }
    let store = FailingStore::new(&world, at, lands);
    let process = Process::start(&world, &store, sagas);
    let started = process.until(process.sec.saga(Side {}).id("x").start());
    match &started {
        Err(error) => {
            assert!(matches!(error, StartError::Store(_)), "{what}: {error}");
            assert_eq!((at, world.said().len()), (1, 0), "{what}");
        }
        Ok(_) if case.operator => {
            process.until(steer(&process, &store));
            // whatever was asked last and had no answer, it goes on
            let _ = process.until(process.sec.operator("alice").resume("x"));
        }
        Ok(_) => {}
    }
    // the handle that was there all the time, or what is in the store although its creation seemed to fail
    process.until(async { tokio::time::sleep(Duration::from_secs(300)).await });
    let handle = match started {
        Ok(handle) => Some(handle),
        Err(_) => process.until(process.sec.get::<Side>("x")).unwrap(),
    };
    if let Some(handle) = handle {
        let end = process.until(async { handle.await });
        let ended = matches!(&end, Ok(_) | Err(SagaError::RolledBack(_) | SagaError::Stuck(_)));
        assert!(ended, "{what}: {end:?}");
    }
    assert_eq!(process.sec.health().waiting, [], "{what}");
    drop(process);

    // another process, with room on its disk
    let process = Process::start(&world, &store.memory, sagas);
    let found = process.until(process.sec.get::<Value>("x")).unwrap();
    let Some(found) = found else {
        assert!(at == 1 && !lands, "{what}: it is lost");
        return true;
    };
    let alice = process.sec.operator("alice");
    // it may have been left paused
    match process.until(alice.resume("x")) {
        Ok(_) | Err(OperateError::Refused { .. }) => {}
        Err(error) => panic!("{what}: {error}"),
    }
    let mut end = process.until(async { found.await });
    if matches!(end, Err(SagaError::Stuck(_))) {
        process.until(alice.retry_all("x")).unwrap();
        end = process.until(async { process.sec.get::<Value>("x").await.unwrap().unwrap().await });
    }
    match end {
        Ok(_) => assert_eq!(world.effects(), [&NODES[..3], &["d", "e"]].concat(), "{what}"),
        Err(SagaError::RolledBack(_)) => {
            let left = world.effects().into_iter().filter(|node| node != "d").collect::<Vec<_>>();
            assert!(left.is_empty(), "{what}: {left:?}");
        }
        Err(other) => panic!("{what}: {other}"),
    }
    process.until(process.sec.inspect("x")).expect("a log that folds");
    store.failed().is_some()
}

saga! {
    Point<W>() -> String {
        let a = out {};
        #[pivot]
        let p = maybe {};
        { format!("{a} {p}") }
    }
}

/// A cancel that is not in the log is not held, whatever the saga's state says that has failed to be written.
#[test]
fn a_request_is_reported_as_held_only_once_it_is_logged() {
    // 1: it is created; 2: the pivot starts; 3: somebody cancels
    for lands in [false, true] {
        let world = Arc::new(World::default());
        world.script("p", [Do::Hangs]);
        let store = FailingStore::new(&world, 3, lands);
        let process = Process::start(&world, &store, |builder| builder.saga::<Point>());
        let handle = process.until(process.sec.saga(Point {}).id("x").start()).unwrap();
        process.until(world.hears("do p", 1));
        let told = process.until(process.sec.operator("alice").cancel("x", "enough"));
        assert!(store.failed().is_some(), "lands: {lands}");
        let Err(OperateError::NotCarriedOut { source }) = told else { panic!("{told:?}") };
        assert!(matches!(*source, SagaError::Store { .. }), "lands: {lands}: {source}");
        // the saga goes on, and its pivot works this time
        assert_eq!(process.until(async { handle.await }).unwrap(), "a p", "lands: {lands}");
        let view = process.until(process.sec.inspect("x")).unwrap().unwrap();
        let kinds = view.log.entries().iter().map(|entry| entry.kind.name());
        let requests = kinds.filter(|kind| *kind == "requested").count();
        assert_eq!(requests, usize::from(lands), "lands: {lands}");
    }
}

/// Nor is a cancel of a saga that another worker has taken over, and it is not taken back for it.
#[test]
fn a_request_for_a_saga_that_another_worker_runs_is_not_held_here() {
    let world = Arc::new(World::default());
    world.script("p", [Do::Hangs]);
    let store = FailingStore::new(&world, 0, false);
    let process = Process::start(&world, &store, |builder| builder.saga::<Point>());
    let handle = process.until(process.sec.saga(Point {}).id("x").start()).unwrap();
    process.until(world.hears("do p", 1));
    let (id, other) = ("x".parse().unwrap(), WorkerId::from("other"));
    process.until(store.memory.take(&other, &id)).unwrap();
    let told = process.until(process.sec.operator("alice").cancel("x", "enough"));
    let Err(OperateError::NotCarriedOut { source }) = told else { panic!("{told:?}") };
    assert!(matches!(*source, SagaError::LostOwnership { .. }), "{source}");
    assert!(matches!(process.until(async { handle.await }), Err(SagaError::LostOwnership { .. })));
    let stored = process.until(store.memory.load(&id)).unwrap().unwrap();
    assert_eq!(stored.record.owner, Some(other));
}

#[test]
fn a_failure_of_any_append_stops_the_saga_and_loses_nothing() {
    for case in &CASES {
        for lands in [false, true] {
            let writes = (1..100).find(|at| !run(case, *at, lands)).expect("an end") - 1;
            assert!(writes >= 6, "{}: {writes} writes", case.name);
        }
    }
}
