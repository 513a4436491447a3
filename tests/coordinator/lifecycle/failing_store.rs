//! A store that fails for a while: sagas stop, and resume by themselves once it works again.

use saga_core::StartError;
use saga_core::operator::OperateError;
use saga_core::store::{MemoryStore, StoreError};

use super::*;
use crate::common::failing_store::FailingStore;
use crate::common::scripted_store::{Call, ScriptedStore, no_space};
use crate::common::world::Do;

fn writes(call: &Call) -> bool {
    matches!(call, Call::Create(_) | Call::Append(..) | Call::Take(_) | Call::Release)
}

/// From now on nothing that fits is done.
fn fails(store: &ScriptedStore, what: impl Fn(&Call) -> bool + Send + Sync + 'static) {
    store.before(move |call| what(call).then(|| Box::pin(async { Err(no_space()) }) as _));
}

async fn until(what: impl Fn() -> bool) {
    while !what() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn handles_and_events_resume_when_the_store_works_again() -> Result<(), Any> {
    let (world, store) = (W::default(), ScriptedStore::default());
    let sec = coordinator(&world, store.clone()).await?;
    assert!(sec.health().is_good());
    // `b` is done, and nobody can write that down
    fails(&store, |call| {
        matches!(call, Call::Append(_, kinds) if kinds.contains(&"ended"))
            || matches!(call, Call::Take(_))
    });
    let handle = sec.saga(Pair {}).id("x").start().await?;
    let mut events = handle.events();
    soon(until(|| !sec.health().waiting.is_empty())).await;
    let health = sec.health();
    assert!(!health.is_good() && !health.needs_restart(), "{health:?}");
    assert_eq!((&health.store, health.running), (&Some(no_space()), 1));
    let said = "the store fails: disk: no space left; 1 saga runs, of which 1 wait for the store";
    assert_eq!(health.to_string(), said);
    assert_eq!(world.said(), ["do a", "do b"]);

    // it stays so for long, and nothing is run meanwhile; who asks is told at once
    let waits = tokio::time::timeout(Duration::from_secs(3600), handle.clone());
    assert!(waits.await.is_err());
    assert_eq!(handle.status(), SagaStatus::Running);
    assert_eq!(world.said().len(), 2);
    let asked = sec.operator("alice").cancel("x", "enough").await;
    assert!(
        matches!(&asked, Err(OperateError::NotCarriedOut { source })
        if matches!(&**source, SagaError::Store { source, .. } if *source == no_space())),
        "{asked:?}"
    );
    let found = sec.get::<Pair>("x").await?.ok_or("it is there")?;

    store.heal();
    let at = tokio::time::Instant::now();
    assert_eq!(handle.clone().await?, "ab");
    assert!(at.elapsed() <= Duration::from_secs(61), "{:?}", at.elapsed());
    assert_eq!(found.await?, "ab");
    // what was in doubt was run again
    assert_eq!(world.said(), ["do a", "do b", "do b"]);
    let mut kinds = Vec::new();
    while let Some(event) = events.next().await {
        kinds.push(event?.kind.as_str());
    }
    assert_eq!(kinds.last(), Some(&"ended"), "{kinds:?}");
    assert!(sec.health().is_good(), "{}", sec.health());
    assert_eq!(sec.health().to_string(), "good; 0 sagas run");
    Ok(())
}

/// It does not matter what of the store fails: reading, taking, or the first read after a restart.
#[tokio::test(start_paused = true)]
async fn every_failed_store_call_is_retried() -> Result<(), Any> {
    let all: [fn(&Call) -> bool; 4] = [
        |call| matches!(call, Call::Load(_)),
        |call| matches!(call, Call::Take(_)),
        writes,
        |call| !matches!(call, Call::Claim | Call::Other | Call::Requests),
    ];
    for (n, down) in all.into_iter().enumerate() {
        let (world, store) = (W::default(), ScriptedStore::default());
        world.script("a", [Do::Waits]);
        let sec = coordinator(&world, store.clone()).await?;
        sec.saga(Pair {}).id("x").start().await?;
        soon(world.hears("do a", 1)).await;
        sec.shutdown(Duration::ZERO).await?;
        // the first append of the next life, or what comes before that
        fails(&store, move |call| down(call) || matches!(call, Call::Append(..)));
        let sec = coordinator(&world, store.clone()).await?;
        soon(until(|| sec.health().waiting.len() == 1)).await;
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert_eq!(world.said(), ["do a"], "{n}: a call without its entry");
        store.heal();
        let found = sec.get::<Pair>("x").await?.ok_or("it is there")?;
        assert_eq!(found.await?, "ab", "{n}");
        // a saga at rest that an operator rolls back meanwhile
        fails(&store, down);
        let asked = sec.operator("alice").rollback("x", "enough").await;
        assert!(!matches!(asked, Err(OperateError::Refused { .. })), "{n}: {asked:?}");
        store.heal();
        tokio::time::sleep(Duration::from_secs(100)).await;
        if asked.is_err() {
            sec.operator("alice").rollback("x", "enough").await?;
        }
        let found = sec.get::<Pair>("x").await?.ok_or("it is there")?;
        assert!(matches!(found.await, Err(SagaError::RolledBack(_))), "{n}");
        assert_eq!(sec.health().waiting, [], "{n}");
    }
    Ok(())
}

/// An append that can never go in does not keep the machine busy.
#[tokio::test(start_paused = true)]
async fn a_saga_that_makes_no_progress_is_retried_with_backoff() -> Result<(), Any> {
    let (world, store) = (W::default(), ScriptedStore::default());
    let sec = coordinator(&world, store.clone()).await?;
    fails(&store, |call| matches!(call, Call::Append(_, kinds) if kinds.contains(&"succeeded")));
    sec.saga(Pair {}).id("x").start().await?;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let tries = world.count("do a");
    assert!((60..80).contains(&tries), "{tries} in an hour");
    Ok(())
}

/// As if the connection had broken in the commit. (`failing_appends` does so with every write.)
#[tokio::test(start_paused = true)]
async fn a_saga_runs_when_its_creation_reported_an_error_but_was_stored() -> Result<(), Any> {
    for again in [false, true] {
        let world = W::default();
        let store = FailingStore::new(&world, 1, true);
        let sec = coordinator(&world, store.clone()).await?;
        let started = sec.saga(Pair {}).id("x").start().await;
        assert!(matches!(started, Err(StartError::Store(_))), "{started:?}");
        if again {
            assert_eq!(sec.saga(Pair {}).id("x").start().await?.await?, "ab");
        }
        // also if nobody asks for it
        soon(world.hears("do b", 1)).await;
        assert_eq!(sec.get::<Pair>("x").await?.ok_or("it is there")?.await?, "ab");
        tokio::time::sleep(Duration::from_secs(300)).await;
        assert_eq!(world.said(), ["do a", "do b"]);
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_saga_runs_when_the_store_fails_again_after_such_a_creation() -> Result<(), Any> {
    for bad_load in 1..=5 {
        let world = W::default();
        let mut store = FailingStore::new(&world, 1, true);
        store.bad_load = bad_load;
        let sec = coordinator(&world, store).await?;
        let started = sec.saga(Pair {}).id("x").start().await;
        assert!(matches!(started, Err(StartError::Store(_))), "{started:?}");
        tokio::time::sleep(Duration::from_secs(300)).await;
        assert_eq!(world.said(), ["do a", "do b"], "load {bad_load}");
        assert!(sec.health().is_good());
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_another_process_has_taken_over_is_left_to_it() -> Result<(), Any> {
    for ends in [false, true] {
        let (world, store) = (W::default(), ScriptedStore::default());
        world.script("b", [Do::Waits, if ends { Do::Works } else { Do::Waits }]);
        let sec = coordinator(&world, store.clone()).await?;
        let handle = sec.saga(Pair {}).id("x").start().await?;
        soon(world.hears("do b", 1)).await;
        fails(&store, writes);
        let asked = sec.operator("alice").pause("x").await;
        assert!(matches!(asked, Err(OperateError::NotCarriedOut { .. })), "{asked:?}");
        let other = coordinator(&world, store.memory.clone()).await?;
        soon(world.hears("do b", 2)).await;
        store.heal();
        let taken = store.calls().len();
        match handle.await {
            Ok(output) if ends => assert_eq!(output, "ab"),
            Err(SagaError::LostOwnership { .. }) if !ends => {}
            ended => panic!("ends: {ends}: {ended:?}"),
        }
        assert!(!store.calls()[taken..].contains(&Call::Take("x".to_string())));
        other.shutdown(Duration::ZERO).await?;
        assert_eq!(world.count("do b"), 2);
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_store_that_must_be_reopened_is_not_retried() -> Result<(), Any> {
    let (world, store) = (W::default(), ScriptedStore::default());
    let sec = coordinator(&world, store.clone()).await?;
    let closed = || StoreError::Closed { store: "disk".into(), why: "open the store again".into() };
    store.before(move |call| writes(call).then(|| Box::pin(async move { Err(closed()) }) as _));
    let started = sec.saga(Pair {}).id("y").start().await;
    assert!(matches!(started, Err(StartError::Store(StoreError::Closed { .. }))), "{started:?}");
    store.heal();
    store.before(move |call| {
        matches!(call, Call::Append(..)).then(|| Box::pin(async move { Err(closed()) }) as _)
    });
    let handle = sec.saga(Pair {}).id("x").start().await?;
    let ended = soon(handle).await;
    assert!(matches!(&ended, Err(SagaError::Store { .. })), "{ended:?}");
    let health = sec.health();
    assert!(health.needs_restart() && health.waiting.is_empty(), "{health:?}");
    let calls = store.calls().len();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let asked = store.calls()[calls..].iter().filter(|call| writes(call)).count();
    assert_eq!(asked, 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_a_store_that_is_down() -> Result<(), Any> {
    let (world, store) = (W::default(), ScriptedStore::default());
    world.script("b", [Do::Works, Do::Works]);
    let sec = coordinator(&world, store.clone()).await?;
    fails(&store, |call| matches!(call, Call::Append(..) | Call::Take(_)));
    let handle = sec.saga(Pair {}).id("x").start().await?;
    soon(until(|| sec.health().waiting.len() == 1)).await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    let at = tokio::time::Instant::now();
    let report = sec.shutdown(Duration::from_secs(5)).await?;
    assert!(at.elapsed() < Duration::from_secs(1));
    assert_eq!((report.interrupted.len(), report.blocked.len()), (1, 0));
    assert!(matches!(handle.await, Err(SagaError::ShutDown { .. })));
    assert!(sec.health().shut_down && sec.health().needs_restart());
    store.heal();
    let next = coordinator(&world, store.memory.clone()).await?;
    assert_eq!(next.get::<Pair>("x").await?.ok_or("it is there")?.await?, "ab");
    Ok(())
}

/// What a disk that failed to say what it has written does to a real store: nothing more until it is opened again.
#[tokio::test]
async fn every_caller_gets_the_message_of_the_store() -> Result<(), Any> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("sagas");
    std::fs::create_dir(&path)?;
    let world = W::default();
    let sec = coordinator(&world, SqliteStore::open(path.join("sagas.db"))?).await?;
    sec.run(Pair {}).await?;
    std::fs::rename(&path, directory.path().join("elsewhere"))?;
    let started = sec.run(Pair {}).await;
    let Err(SagaError::Start(StartError::Store(error @ StoreError::Closed { .. }))) = started
    else {
        panic!("{started:?}")
    };
    assert!(error.to_string().contains("is gone"), "{error}");
    assert!(sec.health().needs_restart());
    // a memory store has nothing of the kind
    assert!(coordinator(&world, MemoryStore::new()).await?.health().is_good());
    Ok(())
}

#[tokio::test]
async fn a_store_that_panics_while_it_creates_a_saga_is_quoted() -> Result<(), Any> {
    let (world, store) = (W::default(), ScriptedStore::default());
    let sec = coordinator(&world, store.clone()).await?;
    store.before(|call| match call {
        Call::Create(_) => panic!("a bug in the store"),
        _ => None,
    });
    let started = soon(sec.saga(Pair {}).id("x").start()).await;
    let Err(StartError::Corrupt { saga, why }) = &started else { panic!("{started:?}") };
    assert!(saga.as_str() == "x" && why.contains("a bug in the store"), "{why}");
    store.heal();
    assert!(soon(sec.saga(Pair {}).id("x").start()).await.is_ok(), "nothing is left of it");
    Ok(())
}
