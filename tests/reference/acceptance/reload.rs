//! Cases 14 and 15: what another process finds, and what it does about it.

use std::sync::{Arc, Mutex};

use saga_core::action::ActionFunc;
use saga_core::dag::{DagBuilder, Node, SagaDag};
use saga_core::executor::{SagaExecutor, SagaSnapshot};
use saga_core::log::NodeEntry;
use saga_core::prelude::*;
use saga_core::store::{MemoryStore, NewSaga, Store};
use saga_core::{BoxError, CoordinatorBuilder, SagaStatus};
use serde::{Deserialize, Serialize};

use crate::common::world::{Do, Process, World, out};

type Any = Box<dyn std::error::Error + Send + Sync>;
type W = Arc<World>;

#[derive(Default, Serialize, Deserialize)]
struct Said(Mutex<Vec<String>>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Room {
    number: u32,
}

/// A → B. If it waits, A ends when the saga is cancelled; then it still succeeds.
fn rooms(waits: bool) -> Result<SagaDag<Said>, Any> {
    type Cx = ActionContext<Said>;
    let say = |cx: &Cx, what: &str| cx.0.lock().unwrap().push(what.to_string());
    let book = ActionFunc::new(
        "book",
        move |cx: Cx| async move {
            say(&cx, "do A");
            if waits {
                cx.cancelled().await;
            }
            Ok::<_, BoxError>(Room { number: 7 })
        },
        move |cx: Cx, room: Arc<Room>| async move {
            assert_eq!(room.number, 7);
            assert_eq!(*cx.lookup::<Room>("A")?, *room, "it sees its own output");
            say(&cx, if cx.is_cancelled() { "undo A, cancelled" } else { "undo A" });
            Ok::<_, BoxError>(())
        },
    )?;
    let pay = ActionFunc::new_noop_undo("pay", move |cx: Cx| async move {
        let room = cx.lookup::<Room>("A")?;
        say(&cx, &format!("do B for {}", room.number));
        Ok::<_, BoxError>(room.number)
    })?;
    let mut dag = DagBuilder::new("Rooms")?;
    dag.append(Node::action("A", book)?)?;
    dag.append(Node::action("B", pay)?)?;
    Ok(SagaDag::new(dag.build()?, &())?)
}

fn said(executor: &SagaExecutor<Said>) -> Vec<String> {
    executor.user_context().0.lock().unwrap().clone()
}

#[tokio::test]
async fn case_14_after_a_reload_only_b_runs() -> Result<(), Any> {
    let (store, saga) = (MemoryStore::new(), rooms(false)?);
    let whole = SagaExecutor::new("x", saga.clone(), Said::default(), store.clone()).await?;
    whole.execute().await?;
    let whole = store.load(&"x".parse()?).await?.ok_or("lost")?;
    // the process died when A's outcome, and with it B's start, was written
    let done =
        whole.entries.iter().position(|e| matches!(e.node_entry(), Some(NodeEntry::Succeeded(_))));
    let entries = whole.entries[..=done.ok_or("A did not succeed")?].to_vec();
    let mut record = whole.record;
    (record.status, record.next_seq) = (SagaStatus::Running, entries.len() as u64 + 1);
    record.context = Some(serde_json::to_vec(&["do A"])?.into());
    let store = MemoryStore::new();
    store.create(NewSaga { record, entries }).await?;

    let stored = store.load(&"x".parse()?).await?.ok_or("lost")?;
    let state = SagaSnapshot::from(&stored);
    assert_eq!(state.completed_actions[0].output, serde_json::json!({ "number": 7 }));
    let later = SagaExecutor::from_state(&state, saga.dag().clone(), store).await?;
    assert_eq!(later.execute().await?, 7);
    assert_eq!(said(&later), ["do A", "do B for 7"]);
    Ok(())
}

#[tokio::test]
async fn case_14_cancelled_before_b_it_never_starts_and_the_undo_has_a_live_scope()
-> Result<(), Any> {
    let saga = rooms(true)?;
    let executor = SagaExecutor::new("x", saga, Said::default(), MemoryStore::new()).await?;
    let cancel = async {
        while said(&executor).is_empty() {
            tokio::task::yield_now().await;
        }
        executor.operator("alice").cancel("x", "changed my mind").await
    };
    let (ended, cancelled) = tokio::join!(executor.execute(), cancel);
    cancelled?;
    assert!(matches!(ended, Err(SagaError::RolledBack(_))), "{ended:?}");
    assert_eq!(said(&executor), ["do A", "undo A"]);
    Ok(())
}

saga! { One<W>() -> String { out {} } }

fn sagas(builder: CoordinatorBuilder<W>) -> CoordinatorBuilder<W> {
    builder.saga::<One>()
}

#[test]
fn case_15_an_action_whose_outcome_was_not_written_runs_again_under_its_key() {
    let (world, store) = (Arc::new(World::default()), MemoryStore::new());
    world.script("out", [Do::Hangs]);
    let process = Process::start(&world, &store, sagas);
    process.until(process.sec.saga(One {}).id("x").start()).unwrap();
    process.until(world.hears("do out", 1));
    let stored = process.until(store.load(&"x".parse().unwrap())).unwrap().unwrap();
    let kinds = stored.entries.iter().map(|entry| entry.kind.name()).collect::<Vec<_>>();
    assert_eq!(kinds, ["created", "started"], "its start is on disk");
    drop(process);
    let process = Process::start(&world, &store, sagas);
    let saga = process.until(process.sec.get::<One>("x")).unwrap().unwrap();
    assert_eq!(process.until(async { saga.await }).unwrap(), "out");
    assert_eq!(world.count("do out"), 2);
    // effects are kept by key: two keys would be two effects
    assert_eq!(world.effects(), ["out"]);
    let stored = process.until(store.load(&"x".parse().unwrap())).unwrap().unwrap();
    let starts =
        stored.entries.iter().filter(|e| matches!(e.node_entry(), Some(NodeEntry::Started)));
    assert_eq!(starts.map(|entry| entry.attempt()).collect::<Vec<_>>(), [1, 2]);
}
