//! Sagas that are started for later.

use std::time::{Duration, SystemTime};

use saga_core::operator::Answer;
use saga_core::prelude::*;
use saga_core::store::{MemoryStore, SqliteStore};
use tokio::time::{Instant, sleep};

use crate::leaving::leave_memory;
use crate::{Approval, Failed, HOUR, Within, approved, coordinator};

fn approval(sec: &Coordinator<()>) -> saga_core::coordinator::SagaStart<(), Approval> {
    sec.saga(Approval { article: "it".into() }).id("a")
}

/// Which nodes the log of a saga names.
async fn log(sec: &Coordinator<()>, id: &str) -> Result<String, Failed> {
    Ok(sec.inspect(id).await?.ok_or("there is one")?.log.pretty())
}

/// Nothing happens before the time, an event that comes before it is kept, and a process that starts meanwhile changes nothing.
#[tokio::test(start_paused = true)]
async fn a_saga_starts_when_its_time_comes() -> Result<(), Failed> {
    let store = MemoryStore::new();
    let sec = coordinator(store.clone()).await?;
    let begun = Instant::now();
    approval(&sec).after(3 * HOUR).start().await?;
    leave_memory(&sec).await;
    assert_eq!(sec.signal("a", approved("Ada")).await?, Answer::Done);
    leave_memory(&sec).await;
    assert!(log(&sec, "a").await?.contains("created: starts at "), "{}", log(&sec, "a").await?);
    assert!(!log(&sec, "a").await?.contains("taken"), "{}", log(&sec, "a").await?);
    let why = sec.operator("bob").why("a").await?.sentence;
    assert!(why.starts_with("starts at "), "{why}");
    sec.shutdown(Duration::ZERO).await?;

    let sec = coordinator(store).await?;
    assert_eq!(sec.health().running, 0);
    let handle = sec.get::<Approval>("a").await?.ok_or("there is one")?;
    assert_eq!(handle.await?, "took it, approved by Ada");
    // the second coordinator reads the real clock when it is made, which has not skipped anything
    assert!(begun.elapsed() > 2 * HOUR && begun.elapsed() < 4 * HOUR);
    Ok(())
}

/// It is in the store when `start` returns, also if the process dies right then.
#[tokio::test]
async fn a_start_for_later_survives_its_process() -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("db");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (first, at) = (path.clone(), SystemTime::now() + Duration::from_secs(3));
    let started = runtime.spawn(async move {
        let sec = coordinator(SqliteStore::open(first).unwrap()).await.unwrap();
        sec.saga(Within { hours: 0 }).id("w").at(at).start().await.unwrap();
    });
    started.await?;
    runtime.shutdown_background();

    let sec = loop {
        // until the file of the process that has died is free
        match SqliteStore::open(&path) {
            Ok(store) => break coordinator(store).await?,
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    };
    let handle = sec.get::<Within>("w").await?.ok_or("there is one")?;
    assert_eq!(handle.await?, None);
    assert!(SystemTime::now() >= at);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_saga_can_be_cancelled_before_it_starts() -> Result<(), Failed> {
    let sec = coordinator(MemoryStore::new()).await?;
    let handle = approval(&sec).after(HOUR).start().await?;
    let begun = Instant::now();
    leave_memory(&sec).await;
    sec.operator("bob").cancel("a", "never mind").await?;
    assert!(matches!(handle.await, Err(SagaError::RolledBack(_))));
    assert!(begun.elapsed() < HOUR);
    assert!(!log(&sec, "a").await?.contains("taken"));
    Ok(())
}

/// A pause holds the start back, and the saga starts at once when it resumes later than that.
#[tokio::test(start_paused = true)]
async fn a_paused_saga_does_not_start() -> Result<(), Failed> {
    let sec = coordinator(MemoryStore::new()).await?;
    let handle = approval(&sec).after(HOUR).start().await?;
    sec.operator("bob").pause("a").await?;
    sleep(2 * HOUR).await;
    assert!(!log(&sec, "a").await?.contains("taken"), "{}", log(&sec, "a").await?);
    sec.operator("bob").resume("a").await?;
    sec.signal("a", approved("Ada")).await?;
    handle.await?;
    Ok(())
}

/// The deadline counts from the start, and one by the clock must be later than that.
#[tokio::test(start_paused = true)]
async fn a_deadline_counts_from_the_start() -> Result<(), Failed> {
    let sec = coordinator(MemoryStore::new()).await?;
    let begun = Instant::now();
    let handle = approval(&sec).after(2 * HOUR).deadline(HOUR).start().await?;
    assert!(matches!(handle.await, Err(SagaError::RolledBack(_))));
    assert!(begun.elapsed() >= 3 * HOUR && begun.elapsed() < 4 * HOUR);

    let other = sec.saga(Within { hours: 1 }).id("w");
    let soon = SystemTime::now() + begun.elapsed() + HOUR;
    let error = other.after(2 * HOUR).deadline_at(soon).start().await.err().ok_or("too early")?;
    let words = "saga `Within` was given a deadline before its start; give it a later one";
    assert_eq!(error.to_string(), words);
    let never = sec.saga(Within { hours: 1 }).after(101 * 365 * 24 * HOUR).start().await;
    assert!(matches!(never, Err(StartError::StartTooFar { .. })), "{never:?}");
    Ok(())
}
