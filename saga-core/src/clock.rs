//! The wall clock, and waits that go by it.
//!
//! There are two clocks. The *wall clock* gives the times in logs and records, and decides when a deadline has
//! passed; it can be set forward and back, and runs on while the machine sleeps. Tokio's clock does neither, but
//! a test can pause it, and the wall clock that sagas see then follows it.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::select;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::log::Timestamp;

/// How often to check whether the wall clock was set.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// A smaller step, in milliseconds, is an ordinary correction of the clock.
const JUMP: i64 = 100;

pub(crate) type Wall = dyn Fn() -> SystemTime + Send + Sync;

/// The wall clock.
pub(crate) struct Clock {
    /// A replacement for the system's clock.
    given: Option<Box<Wall>>,
    /// The system's clock, and tokio's, when this one was made.
    base: SystemTime,
    start: Instant,
    /// Notified when the wall clock was set.
    jumps: watch::Sender<()>,
}

/// By how many milliseconds the wall clock is ahead of tokio's, as last seen by its holder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lead(i64);

impl Clock {
    pub(crate) fn new(given: Option<Box<Wall>>) -> Self {
        Self { given, base: SystemTime::now(), start: Instant::now(), jumps: watch::channel(()).0 }
    }

    pub(crate) fn now(&self) -> Timestamp {
        let wall = match &self.given {
            Some(given) => given(),
            None if is_paused() => self.base + self.start.elapsed(),
            None => SystemTime::now(),
        };
        Timestamp(0).after(wall.duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    pub(crate) fn lead(&self) -> Lead {
        self.read().1
    }

    /// The time, and by how many milliseconds the clock was set forward (back if negative) since this holder
    /// last looked.
    pub(crate) fn look(&self, lead: &mut Lead) -> (Timestamp, Option<i64>) {
        let (now, read) = self.read();
        let set = read.0.saturating_sub(lead.0);
        if set.abs() < JUMP {
            return (now, None);
        }
        *lead = read;
        (now, Some(set))
    }

    fn read(&self) -> (Timestamp, Lead) {
        let mut tries = 0;
        loop {
            let before = self.start.elapsed();
            let now = self.now();
            let elapsed = self.start.elapsed();
            tries += 1;
            // a thread that is preempted between reading the two clocks would see a jump
            if elapsed.saturating_sub(before) < Duration::from_millis(10) || tries == 10 {
                let lead = i128::from(now.0) - elapsed.as_millis().cast_signed();
                return (now, Lead(i64::try_from(lead).unwrap_or(i64::MAX)));
            }
        }
    }

    /// Ready at this time, or when the clock was set; the caller must check the time again.
    pub(crate) fn until(&self, time: Timestamp) -> impl Future<Output = ()> + Send + 'static {
        // a wait is cut into years
        let year = 365 * 24 * 3600 * 1000;
        let wait = time.0.saturating_sub(self.now().0).min(year);
        let sleep = tokio::time::sleep(Duration::from_millis(wait));
        let mut jumps = self.jumps.subscribe();
        async move {
            let jumped = async {
                if jumps.changed().await.is_err() {
                    // the clock is gone, so it never jumps again
                    std::future::pending().await
                }
            };
            select(Box::pin(sleep), std::pin::pin!(jumped)).await;
        }
    }

    /// Wakes everything that waits for a time when the clock was set. Never ends.
    pub(crate) async fn watch(&self) {
        let mut lead = self.lead();
        loop {
            if self.given.is_none() && is_paused() {
                // it follows tokio's clock, and cannot be set
                std::future::pending().await
            }
            tokio::time::sleep(CHECK_INTERVAL).await;
            if self.look(&mut lead).1.is_some() {
                self.jumps.send_replace(());
            }
        }
    }
}

/// Sleeps by the system's clock, even where a test has paused tokio's: for waits for another process.
pub(crate) async fn real_pause(time: Duration) {
    if !is_paused() {
        return tokio::time::sleep(time).await;
    }
    let (over, waits) = oneshot::channel();
    // a blocking task would keep tokio's paused clock from advancing
    let sleeper = thread::Builder::new().name("saga-pause".to_string()).spawn(move || {
        thread::sleep(time);
        // the waiting future may have been dropped
        let _ = over.send(());
    });
    match sleeper {
        Ok(_) => drop(waits.await),
        Err(_) => tokio::time::sleep(time).await,
    }
}

/// True if tokio's clock is not the system's.
pub(crate) fn is_paused() -> bool {
    let before = std::time::Instant::now();
    let now = Instant::now().into_std();
    now < before || now > std::time::Instant::now()
}
