//! The wall clock is set forward and back while sagas run.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use saga_core::log::NodeEntry;
use saga_core::prelude::*;
use tokio::time::Instant;

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// A wall clock that goes with tokio's, and can be set.
#[derive(Clone)]
struct Clock {
    start: Instant,
    set: Arc<AtomicI64>,
}

impl Clock {
    fn new() -> Self {
        Self { start: Instant::now(), set: Arc::default() }
    }

    fn now(&self) -> SystemTime {
        let begin = UNIX_EPOCH + 500_000 * HOUR + self.start.elapsed();
        let set = self.set.load(SeqCst);
        let by = Duration::from_secs(set.unsigned_abs());
        if set < 0 { begin - by } else { begin + by }
    }

    fn forward(&self, by: Duration) {
        self.set.fetch_add(by.as_secs().cast_signed(), SeqCst);
    }

    fn back(&self, by: Duration) {
        self.set.fetch_sub(by.as_secs().cast_signed(), SeqCst);
    }
}

#[saga_action(no_undo, timeout = "70m")]
async fn take_an_hour(cx: &ActionContext<()>) -> Result<(), String> {
    tokio::select! {
        () = cx.cancelled() => Err("called off".to_string()),
        () = tokio::time::sleep(HOUR) => Ok(()),
    }
}

#[saga_action(no_undo, retry(max = 2, base = "1h", cap = "1h", jitter = 0))]
async fn work_the_second_time(cx: &ActionContext<()>) -> Result<(), String> {
    if cx.attempt() == 1 { Err("not yet".into()) } else { Ok(()) }
}

saga! {
    Slow<()>() { take_an_hour {}; }
    Patient<()>() { work_the_second_time {}; }
}

async fn sec(clock: &Clock) -> Coordinator<()> {
    let clock = clock.clone();
    let builder = Coordinator::builder(()).saga::<Slow>().saga::<Patient>();
    builder.wall_clock(move || clock.now()).build().await.unwrap()
}

async fn patient(sec: &Coordinator<()>) -> SagaHandle<Patient> {
    let patient = sec.saga(Patient {}).id("patient").start().await.unwrap();
    tokio::time::sleep(MINUTE).await;
    patient
}

/// The times in its log go forward, and no attempt is before its time.
async fn check_log(sec: &Coordinator<()>) {
    let view = sec.inspect("patient").await.unwrap().unwrap();
    let entries = view.log.entries();
    assert!(entries.is_sorted_by_key(|entry| entry.at), "{}", view.log.pretty());
    let due = entries.iter().find_map(|entry| match entry.node_entry() {
        Some(NodeEntry::RetryScheduled { at }) => Some(*at),
        _ => None,
    });
    let started =
        entries.iter().rfind(|entry| entry.node_entry() == Some(&NodeEntry::Started)).unwrap();
    assert!(Some(started.at) >= due, "{}", view.log.pretty());
}

#[tokio::test(start_paused = true)]
async fn a_jump_forward_ends_deadlines_and_waits() {
    let clock = Clock::new();
    let sec = sec(&clock).await;
    let slow = sec.saga(Slow {}).deadline_at(clock.now() + HOUR / 2).start().await.unwrap();
    let patient = patient(&sec).await;
    let then = Instant::now();
    clock.forward(HOUR);
    assert!(matches!(slow.await, Err(SagaError::RolledBack(_))));
    patient.await.unwrap();
    assert!(then.elapsed() < MINUTE, "{:?}", then.elapsed());
    check_log(&sec).await;
}

#[tokio::test(start_paused = true)]
async fn a_jump_back_moves_deadlines_and_lengthens_no_wait() {
    let clock = Clock::new();
    let sec = sec(&clock).await;
    let slow = sec.saga(Slow {}).deadline_at(clock.now() + HOUR / 2).start().await.unwrap();
    let patient = patient(&sec).await;
    let then = Instant::now();
    clock.back(10 * HOUR);

    let new = sec.saga(Slow {}).id("new").deadline_at(clock.now() + MINUTE).start().await.unwrap();
    assert!(matches!(new.await, Err(SagaError::RolledBack(_))));
    let record = sec.inspect("new").await.unwrap().unwrap().record;
    let ended = UNIX_EPOCH + Duration::from_millis(record.updated_at.0);
    assert_eq!(ended.duration_since(clock.now()).unwrap_or_default(), Duration::ZERO);
    assert_eq!(record.updated_at.0 - record.created_at.0, 60_000);

    patient.await.unwrap();
    check_log(&sec).await;
    slow.await.expect("its deadline is not before the clock says so");
    assert!(then.elapsed() < HOUR + MINUTE, "{:?}", then.elapsed());
}
