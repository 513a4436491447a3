//! What holds once a shutdown has returned.

use std::path::Path;

use saga_core::operator::OperateError;
use saga_core::store::{FileStore, ListFilter, MemoryStore, StoreError};
use tokio::sync::Notify;

use super::*;
use crate::common::scripted_store::{Call, ScriptedStore};
use crate::common::world::Do;

/// Opens a store again and again, at once after each shutdown, with the coordinator and its handles still there.
async fn reopen<S: Store + Clone>(
    rounds: u64,
    open: impl Fn() -> Result<S, StoreError>,
) -> Result<(), Any> {
    let world = W::default();
    world.script("a", (0..300).map(|n| if n % 3 == 0 { Do::Waits } else { Do::Works }));
    let mut there = Vec::new();
    for round in 0..rounds {
        let store = open().map_err(|error| format!("round {round}: {error}"))?;
        let sec = coordinator(&world, store.clone()).await?;
        let mut handles = Vec::new();
        for n in 0..3 {
            handles.push(sec.saga(Pair {}).id(format!("x{round}-{n}")).start().await?);
        }
        soon(sec.shutdown(Duration::from_millis(round % 3))).await?;
        // what is read stays true
        assert!(sec.list(ListFilter::default()).await?.len() > 2, "round {round}");
        let Err(late) = store.release(&"late".into()).await else { panic!("round {round}") };
        assert!(late.to_string().contains("was closed by a shutdown"), "{late}");
        there.push((sec, store, handles));
        there.truncate(5);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_can_be_opened_again_at_once_sqlite() -> Result<(), Any> {
    let directory = tempfile::tempdir()?;
    reopen(100, || SqliteStore::open(directory.path().join("sagas.db"))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_can_be_opened_again_at_once_file() -> Result<(), Any> {
    // it reads all logs when it is opened
    for _ in 0..10 {
        let directory = tempfile::tempdir()?;
        let path: &Path = directory.path();
        reopen(10, || FileStore::open(path.join("sagas"))).await?;
    }
    Ok(())
}

/// What is closed by a shutdown is opened again for the next coordinator, unless another worker was faster.
async fn serve_again<S: Store + Clone>(
    open: impl Fn() -> Result<S, StoreError>,
) -> Result<(), Any> {
    let world = W::default();
    world.script("a", [Do::Waits]);
    let store = open()?;
    let sec = coordinator(&world, store.clone()).await?;
    sec.saga(Pair {}).id("x").start().await?;
    // the call of the script is this one, and not one after the shutdown
    soon(world.hears("do a", 1)).await;
    soon(sec.shutdown(Duration::ZERO)).await?;
    let other = open()?;
    let builder = Coordinator::builder(world.clone()).store(store.clone()).saga::<Pair>();
    let Err(error) = builder.build().await else { panic!("another worker has it") };
    assert!(error.to_string().contains("is in use by another worker"), "{error}");
    drop(other);
    let next = coordinator(&world, store.clone()).await?;
    soon(next.get::<Pair>("x").await?.ok_or("it is lost")?.into_future()).await?;
    assert!(open().is_err(), "it has its lock again");
    soon(next.shutdown(Duration::ZERO)).await?;
    open()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_was_closed_serves_the_next_coordinator() -> Result<(), Any> {
    let directory = tempfile::tempdir()?;
    serve_again(|| SqliteStore::open(directory.path().join("sagas.db"))).await?;
    serve_again(|| FileStore::open(directory.path().join("sagas"))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_task_holds_the_store_after_a_shutdown() -> Result<(), Any> {
    let world = W::default();
    for round in 0..100_usize {
        world.script("a", [Do::Waits, Do::Works, Do::Waits]);
        let store = ScriptedStore::default();
        let sec = coordinator(&world, store.clone()).await?;
        for _ in 0..3 {
            sec.saga(Pair {}).start().await?;
        }
        soon(sec.shutdown(Duration::from_millis(round as u64 % 3))).await?;
        drop(sec);
        assert_eq!(store.others(), 0, "round {round}");
    }
    Ok(())
}

/// A saga whose action never lets go of its thread, and perhaps of the only one.
async fn blocked() -> Result<(), Any> {
    let (world, store) = (W::default(), MemoryStore::new());
    let sec = coordinator(&world, store.clone()).await?;
    let handle = sec.saga(Blocks {}).id("x").start().await?;
    soon(world.hears("do a", 1)).await;
    let report = soon(sec.shutdown(Duration::from_millis(20))).await?;
    assert_eq!(report.blocked, ["x".parse()?]);
    assert_eq!(report.interrupted.len(), 1, "{report:?}");
    // it was handed over, and whatever it does now has no effect on its log
    let before = store.load(&"x".parse()?).await?.ok_or("it is there")?;
    assert_eq!(before.record.owner, None);
    world.say("go on".to_string());
    assert!(matches!(soon(handle).await, Err(SagaError::ShutDown { .. })));
    assert_eq!(store.load(&"x".parse()?).await?, Some(before));
    assert_eq!(world.count("do b"), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_does_not_wait_for_an_action_that_blocks_its_thread() -> Result<(), Any> {
    blocked().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_shutdown_does_not_wait_for_an_action_that_blocks_the_only_thread() -> Result<(), Any> {
    blocked().await
}

#[tokio::test]
async fn a_second_shutdown_returns_too() -> Result<(), Any> {
    let (world, store) = (W::default(), ScriptedStore::default());
    world.script("a", [Do::Waits]);
    let sec = coordinator(&world, store.clone()).await?;
    sec.saga(Pair {}).id("x").start().await?;
    let first = tokio::spawn({
        let sec = sec.clone();
        async move { sec.shutdown(Duration::from_secs(3600)).await }
    });
    soon(world.hears("do a", 1)).await;
    // in a hurry
    let second = soon(sec.shutdown(Duration::ZERO)).await?;
    let first = soon(first).await??;
    assert_eq!((first.interrupted.len(), second.interrupted.len()), (1, 1));
    assert_eq!(first.interrupted[0].1, ["a"]);
    assert_eq!(soon(sec.shutdown(Duration::ZERO)).await?.interrupted, []);
    let closed = store.calls().iter().filter(|call| **call == Call::Close).count();
    assert_eq!(closed, 1);
    Ok(())
}

/// The calls that begin to wait, and how they go on.
#[derive(Clone, Default)]
struct Gate {
    arrived: Arc<Notify>,
    open: Arc<Notify>,
}

impl Gate {
    /// A gate in front of these calls.
    fn before(
        store: &ScriptedStore,
        waits: impl Fn(&Call) -> bool + Send + Sync + 'static,
    ) -> Self {
        let gate = Self::default();
        let Self { arrived, open } = gate.clone();
        store.before(move |call| {
            let (arrived, open) = (arrived.clone(), open.clone());
            waits(call).then(|| {
                Box::pin(async move {
                    arrived.notify_one();
                    open.notified().await;
                    Ok(())
                }) as _
            })
        });
        gate
    }
}

/// A request waits in front of a call of the store while a shutdown comes and goes.
async fn crossing(waits: fn(&Call) -> bool, within: bool) -> Result<(), Any> {
    let (world, store) = (W::default(), ScriptedStore::default());
    let sec = coordinator(&world, store.clone()).await?;
    sec.saga(Pair {}).id("x").start().await?.await?;
    let gate = Gate::before(&store, waits);
    let operator = sec.operator("alice");
    let asked = tokio::spawn(async move { operator.rollback("x", "enough").await });
    soon(gate.arrived.notified()).await;
    let down = tokio::spawn({
        let sec = sec.clone();
        async move { sec.shutdown(Duration::from_millis(20)).await }
    });
    if within {
        while !matches!(sec.saga(Pair {}).start().await, Err(StartError::ShutDown)) {
            tokio::task::yield_now().await;
        }
        gate.open.notify_one();
        soon(down).await??;
    } else {
        soon(down).await??;
        gate.open.notify_one();
    }
    let answer = soon(asked).await?;
    assert!(matches!(answer, Err(OperateError::ShutDown)), "{answer:?}");
    let calls = store.calls();
    let closed = calls.iter().position(|call| *call == Call::Release).ok_or("never released")?;
    let late = |call: &Call| matches!(call, Call::Take(_) | Call::Append(..) | Call::Create(_));
    assert!(!calls[closed..].iter().any(late), "{calls:?}");
    let stored = store.memory.load(&"x".parse()?).await?.ok_or("it is there")?;
    assert_eq!(stored.record.status, SagaStatus::Completed);
    assert_eq!(world.count("undo a"), 0);
    Ok(())
}

/// Also one for a saga that still has its time.
#[tokio::test]
async fn a_saga_that_is_being_handed_over_accepts_no_request() -> Result<(), Any> {
    let (world, store) = (W::default(), MemoryStore::new());
    world.script("a", [Do::Waits]);
    let sec = coordinator(&world, store.clone()).await?;
    sec.saga(Pair {}).id("x").start().await?;
    soon(world.hears("do a", 1)).await;
    let down = tokio::spawn({
        let sec = sec.clone();
        async move { sec.shutdown(Duration::from_millis(300)).await }
    });
    while !matches!(sec.saga(Pair {}).start().await, Err(StartError::ShutDown)) {
        tokio::task::yield_now().await;
    }
    let answer = soon(sec.operator("alice").pause("x")).await;
    assert!(matches!(answer, Err(OperateError::ShutDown)), "{answer:?}");
    soon(down).await??;
    let entries = store.load(&"x".parse()?).await?.ok_or("it is there")?.entries;
    assert!(!entries.iter().any(|entry| entry.kind.name() == "requested"), "{entries:?}");
    Ok(())
}

#[tokio::test]
async fn a_request_that_loads_its_saga_during_a_shutdown_starts_nothing() -> Result<(), Any> {
    crossing(|call| matches!(call, Call::Load(_)), false).await
}

#[tokio::test]
async fn a_request_that_claims_its_saga_during_a_shutdown_starts_nothing() -> Result<(), Any> {
    crossing(|call| matches!(call, Call::Take(_)), true).await
}

/// The saga is taken already, and its log is being read.
#[tokio::test]
async fn a_saga_that_is_being_woken_does_not_delay_a_shutdown() -> Result<(), Any> {
    let (world, store) = (W::default(), ScriptedStore::default());
    let sec = coordinator(&world, store.clone()).await?;
    sec.saga(Pair {}).id("x").start().await?.await?;
    let taken = store.clone();
    let gate = Gate::before(&store, move |call| {
        matches!(call, Call::Load(_)) && taken.calls().contains(&Call::Take("x".to_string()))
    });
    let operator = sec.operator("alice");
    let asked = tokio::spawn(async move { operator.rollback("x", "enough").await });
    soon(gate.arrived.notified()).await;
    soon(sec.shutdown(Duration::from_millis(20))).await?;
    let answer = soon(asked).await?;
    assert!(matches!(answer, Err(OperateError::ShutDown)), "{answer:?}");
    assert_eq!(world.count("undo a"), 0);
    Ok(())
}

/// A request that a coordinator heard before it was shut down takes no saga from the next one.
#[tokio::test]
async fn the_next_coordinator_keeps_its_sagas() -> Result<(), Any> {
    let (world, store) = (W::default(), ScriptedStore::default());
    world.script("b", [Do::Fails, Do::Waits]);
    let first = coordinator(&world, store.clone()).await?;
    first.saga(Pair {}).id("x").start().await?.await.expect_err("rolled back");
    let gate = Gate::before(&store, |call| matches!(call, Call::Load(_)));
    let operator = first.operator("alice");
    let asked = tokio::spawn(async move { operator.pause("x").await });
    soon(gate.arrived.notified()).await;
    first.shutdown(Duration::from_secs(1)).await?;
    store.heal();
    let second = coordinator(&world, store.clone()).await?;
    let handle = second.saga(Pair {}).id("y").start().await?;
    gate.open.notify_one();
    assert!(matches!(soon(asked).await?, Err(OperateError::ShutDown)));
    soon(world.hears("do b", 2)).await;
    second.operator("bob").cancel("y", "enough").await?;
    drop(handle);
    Ok(())
}

#[tokio::test]
async fn events_end_with_the_coordinator() -> Result<(), Any> {
    let world = W::default();
    // when it is dropped, whoever still has a handle
    let sec = coordinator(&world, MemoryStore::new()).await?;
    let mut events = sec.events();
    let handle = sec.saga(Pair {}).start().await?;
    handle.clone().await?;
    drop(sec);
    let drained = async {
        let mut kinds = Vec::new();
        while let Some(event) = events.next().await {
            kinds.push(event.expect("none is missed").kind.as_str());
        }
        kinds
    };
    let all = ["created", "started", "succeeded", "started", "succeeded", "succeeded", "ended"];
    assert_eq!(soon(drained).await, all);
    assert!(soon(handle.events().next()).await.is_none());

    // when it is shut down, and still there
    let sec = coordinator(&world, MemoryStore::new()).await?;
    let (mut before, handle) = (sec.events(), sec.saga(Pair {}).start().await?);
    sec.shutdown(Duration::from_secs(5)).await?;
    while soon(before.next()).await.is_some() {}
    assert!(soon(sec.events().next()).await.is_none());
    assert!(soon(handle.events().next()).await.is_none());
    Ok(())
}
