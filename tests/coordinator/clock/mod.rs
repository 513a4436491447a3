//! Waits follow tokio's clock, which a test can pause; they are in the log and outlive the process.

mod jumps;
mod long_waits;

use std::sync::Arc;
use std::time::Duration;

use crate::common::world::{Do, Fixture, World, act, bare, unact};
use saga_core::UndoError;
use saga_core::log::{Entry, NodeEntry};
use saga_core::prelude::*;
use saga_core::store::{FileStore, MemoryStore, SqliteStore, Store};

type W = Arc<World>;

#[saga_action(
    undo = unslow(),
    retry(max = 3, base = "1h", cap = "1h"),
    undo_retry(max = 2, base = "1h", cap = "1h")
)]
async fn slow(cx: &ActionContext<W>) -> Result<String, String> {
    act(cx).await
}
async fn unslow(cx: &ActionContext<W>) -> Result<(), UndoError> {
    unact(cx, "").await
}

saga! {
    #[allow(unused_variables)]
    Slow<W>() {
        let a = slow {};
        let b = bare {};
    }
}

/// Each next attempt, by its number, began when it was scheduled, and not a second later.
fn on_time(entries: &[Entry]) -> Vec<u32> {
    let mut attempts = Vec::new();
    let mut due = None;
    for entry in entries {
        match entry.node_entry() {
            Some(NodeEntry::RetryScheduled { at } | NodeEntry::UndoRetryScheduled { at, .. }) => {
                assert!(at.0 - entry.at.0 >= 30 * 60_000, "half of it is random");
                due = Some(at.0);
            }
            Some(NodeEntry::Started | NodeEntry::UndoStarted) => {
                if let Some(due) = due.take() {
                    let late = entry.at.0.checked_sub(due).expect("not before its time");
                    assert!(late < 1000, "{late} ms late");
                    attempts.push(entry.attempt());
                }
            }
            _ => {}
        }
    }
    attempts
}

#[test]
fn attempts_and_the_time_of_the_next_one_outlive_the_process() {
    let scripts: &[(&str, &[Do])] =
        &[("a", &[Do::Fails, Do::Fails]), ("b", &[Do::Fails]), ("undo a", &[Do::Fails])];
    let mut x = Fixture::new(scripts, |builder| builder.saga::<Slow>());
    x.process.until(x.process.sec.saga(Slow {}).id("x").start()).unwrap();
    for (call, times) in [("do a", 1), ("do a", 2), ("undo a", 1)] {
        x.process.until(x.world.hears(call, times));
        // the next process comes when some of the wait is over, and waits for the rest
        x.process.until(async { tokio::time::sleep(Duration::from_secs(600)).await });
        x.kill_and_restart();
    }
    let Err(SagaError::RolledBack(_)) = x.end::<Slow>() else { panic!("rolled back") };
    assert_eq!((x.world.count("do a"), x.world.count("undo a")), (3, 2));
    assert_eq!(on_time(&x.stored().entries), [2, 3, 2]);
    assert!(x.world.effects().is_empty());
}

#[test]
fn restarts_do_not_add_attempts() {
    let mut x = Fixture::new(&[("a", &[Do::Fails; 9])], |builder| builder.saga::<Slow>());
    x.process.until(x.process.sec.saga(Slow {}).id("x").start()).unwrap();
    for times in 1..=2 {
        x.process.until(x.world.hears("do a", times));
        x.kill_and_restart();
    }
    let Err(SagaError::RolledBack(report)) = x.end::<Slow>() else { panic!("rolled back") };
    assert_eq!(report.failed_node().map(ToString::to_string).as_deref(), Some("a"));
    assert_eq!(x.world.count("do a"), 3);
}

#[saga_action(no_undo)]
async fn next(n: u64) -> Result<u64, String> {
    Ok(n + 1)
}

saga! {
    Count<()>() -> u64 {
        let one = next { n: 0 };
        let two = next { n: *one };
        let three = next { n: *two };
        let four = next { n: *three };
        let five = next { n: *four };
        next { n: *five }
    }
}

/// A paused clock stands still while a store is at work, however long its disk takes.
async fn counts_without_a_wait(store: impl Store) {
    let sec = Coordinator::builder(()).store(store).saga::<Count>().build().await.unwrap();
    let began = tokio::time::Instant::now();
    let hour = Duration::from_secs(3600);
    let count = sec.saga(Count {}).deadline(hour).start().await.unwrap().await;
    assert_eq!(count.unwrap(), 6);
    assert_eq!(began.elapsed(), Duration::ZERO);
    sec.shutdown(Duration::from_secs(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_does_not_run_ahead_of_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    counts_without_a_wait(MemoryStore::new()).await;
    counts_without_a_wait(FileStore::open(directory.path().join("sagas")).unwrap()).await;
    counts_without_a_wait(SqliteStore::open(directory.path().join("sagas.db")).unwrap()).await;
}
