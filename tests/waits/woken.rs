//! What may go wrong while sagas wait in the store: the store fails, the clock is set, the program changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::{Duration, UNIX_EPOCH};

use saga_core::Migration;
use saga_core::prelude::*;
use saga_core::store::MemoryStore;
use tokio::time::{Instant, sleep};

use crate::common::failing_store::FailingStore;
use crate::common::world::World;
use crate::leaving::leave_memory;
use crate::{Approved, Failed, HOUR, Within, approved};

mod old {
    use saga_core::prelude::*;

    use crate::{Approved, HOUR};

    saga! {
        pub(crate) Publish<()>() -> Option<Approved> {
            let approved = wait_for::<Approved> { timeout: HOUR };
            approved
        }
    }
}

#[saga_action(no_undo)]
async fn archive(by: &Option<Approved>) -> Result<bool, String> {
    Ok(by.is_some())
}

saga! {
    #[version = 2]
    Publish<()>() -> Option<Approved> {
        let approved = wait_for::<Approved> { timeout: HOUR };
        archive { by: approved };
        approved
    }
}

/// It waits under one version, and is migrated when it is woken by a program that has another one.
#[tokio::test(start_paused = true)]
async fn a_saga_that_waits_is_migrated_when_it_is_woken() -> Result<(), Failed> {
    let store = MemoryStore::new();
    let sec = Coordinator::builder(()).store(store.clone()).saga::<old::Publish>().build().await?;
    sec.saga(old::Publish {}).id("p").start().await?;
    leave_memory(&sec).await;
    sec.shutdown(Duration::ZERO).await?;

    let builder = Coordinator::builder(()).store(store).saga::<Publish>();
    let sec = builder.migrate(Migration::new(|_: old::Publish| Publish {})).build().await?;
    assert_eq!(sec.health().running, 0);
    let handle = sec.get::<Publish>("p").await?.ok_or("there is one")?;
    assert_eq!(handle.await?, None);
    let log = sec.inspect("p").await?.ok_or("there is one")?.log.pretty();
    assert!(log.contains("migrated") && log.contains("succeeded archive"), "{log}");
    Ok(())
}

/// A saga of which a program does not know the version stays where it is, and one that does wakes it.
#[tokio::test(start_paused = true)]
async fn a_saga_of_an_unknown_version_waits_for_a_program_that_knows_it() -> Result<(), Failed> {
    let store = MemoryStore::new();
    let sec = Coordinator::builder(()).store(store.clone()).saga::<old::Publish>().build().await?;
    sec.saga(old::Publish {}).id("p").start().await?;
    leave_memory(&sec).await;
    sec.shutdown(Duration::ZERO).await?;

    let sec = Coordinator::builder(()).store(store.clone()).saga::<Publish>().build().await?;
    assert_eq!(sec.unknown_versions().len(), 1);
    sleep(2 * HOUR).await;
    assert!(sec.get::<Publish>("p").await.is_err());
    sec.shutdown(Duration::ZERO).await?;

    let sec = Coordinator::builder(()).store(store).saga::<old::Publish>().build().await?;
    let handle = sec.get::<old::Publish>("p").await?.ok_or("there is one")?;
    assert_eq!(handle.await?, None);
    Ok(())
}

/// Whichever write fails, whether or not it takes effect all the same, the saga is woken and ends once, and events are not lost.
#[tokio::test(start_paused = true)]
async fn a_store_that_fails_strands_no_saga_that_waits() -> Result<(), Failed> {
    for (at, lands) in (2..=7).flat_map(|at| [(at, false), (at, true)]) {
        let store = FailingStore::new(&Arc::<World>::default(), at, lands);
        let sec = Coordinator::builder(()).store(store.clone()).saga::<Within>().build().await?;
        let start = async |id: &str, hours| loop {
            match sec.saga(Within { hours }).id(id).start().await {
                Ok(handle) => return handle,
                Err(error) => assert!(error.to_string().contains("no space left"), "{error}"),
            }
        };
        let (timed, told) = (start("timed", 1).await, start("told", 9).await);
        sleep(HOUR / 2).await;
        while let Err(error) = sec.signal("told", approved("Ada")).event_id("e-1").await {
            assert!(error.to_string().contains("no space left"), "{at} {lands}: {error}");
            sleep(Duration::from_secs(10)).await;
        }
        assert_eq!(told.await?, Some(approved("Ada")), "{at} {lands}");
        assert_eq!(timed.await?, None, "{at} {lands}");
        assert!(store.failed().is_some(), "{at} {lands}");
    }
    Ok(())
}

/// When the clock is set back, a saga that has been asleep for a shorter time does not sleep for longer. When it is set forward, it
/// is woken at once.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_strands_no_saga_that_waits() -> Result<(), Failed> {
    let (start, set) = (Instant::now(), Arc::<AtomicI64>::default());
    let hours = set.clone();
    let now = move || {
        let hours = u32::try_from(500_000 + hours.load(SeqCst)).unwrap_or(0);
        UNIX_EPOCH + HOUR * hours + start.elapsed()
    };
    let sec = Coordinator::builder(()).wall_clock(now).saga::<Within>().build().await?;
    let begun = Instant::now();
    let handle = sec.saga(Within { hours: 1 }).start().await?;
    leave_memory(&sec).await;
    set.store(-100_000, SeqCst);
    assert_eq!(handle.await?, None);
    assert!(begun.elapsed() >= HOUR && begun.elapsed() < HOUR + Duration::from_secs(10));

    let handle = sec.saga(Within { hours: 1000 }).start().await?;
    leave_memory(&sec).await;
    let begun = Instant::now();
    set.store(100_000, SeqCst);
    assert_eq!(handle.await?, None);
    assert!(begun.elapsed() < HOUR);
    Ok(())
}
