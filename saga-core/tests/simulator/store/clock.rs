//! The store's own clock, by which leases end. It may be set, and be fast or slow.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

/// A clock. Clones are the same clock.
#[derive(Clone)]
pub(crate) struct StoreClock {
    began: Instant,
    /// By how many parts in a thousand it is fast.
    fast: i64,
    /// By how many milliseconds it was set.
    set: Arc<Mutex<i64>>,
    was_set_forward: Arc<AtomicBool>,
}

impl StoreClock {
    pub(crate) fn new(began: Instant, fast: i64) -> Self {
        Self { began, fast, set: Arc::default(), was_set_forward: Arc::default() }
    }

    /// Sets it forward, or back.
    pub(crate) fn set(&self, by: i64) {
        *self.set.lock().unwrap() += by;
        self.was_set_forward.fetch_or(by > 0, Relaxed);
    }

    /// True if it is fast, or was set forward.
    pub(crate) fn was_ahead(&self) -> bool {
        self.fast > 0 || self.was_set_forward.load(Relaxed)
    }

    /// What it shows.
    pub(crate) fn now(&self) -> Duration {
        let passed = i64::try_from(self.began.elapsed().as_millis()).unwrap();
        let shows = 1_000_000_000 + passed + passed * self.fast / 1000 + *self.set.lock().unwrap();
        Duration::from_millis(shows.try_into().unwrap())
    }
}
