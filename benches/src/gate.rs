//! Where sagas wait, so that many of them are under way at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

/// A gate that stays closed until it is opened for good.
#[derive(Debug)]
pub struct Gate {
    /// It has no permits: who asks for one waits until the semaphore is closed.
    closed: Semaphore,
    arrived: AtomicUsize,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self { closed: Semaphore::new(0), arrived: AtomicUsize::new(0) }
    }

    /// Waits until the gate is open.
    pub async fn pass(&self) {
        self.arrived.fetch_add(1, Ordering::Relaxed);
        let _opened = self.closed.acquire().await;
    }

    /// Waits until so many have arrived since the gate was made.
    pub async fn until_arrived(&self, count: usize) {
        while self.arrived.load(Ordering::Relaxed) < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Lets all pass.
    pub fn open(&self) {
        self.closed.close();
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}
