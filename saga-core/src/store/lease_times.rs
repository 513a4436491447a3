//! When a worker of a shared store may run sagas, as far as it knows without asking the store. These rules are values and
//! read no clock, so that the model check of this repository (`model-check`) explores them as they are.

use std::time::Duration;

/// The lease of a worker as the worker sees it. All times are milliseconds of one clock of this worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeaseTimes {
    /// When it ends. It counts from when the last renewal was *asked for*, which is never later than by the store's clock,
    /// as long as both clocks run at the same rate.
    pub until: u64,
    /// How often it has begun: whenever it was renewed after its end, or for the first time.
    pub begun: u64,
}

impl LeaseTimes {
    /// True until the lease ends.
    pub fn is_held(self, now: u64) -> bool {
        now < self.until
    }

    /// Which of the times that the lease was held without a gap this is; 0 while it is not held. In a gap, even a short one,
    /// another worker may have taken sagas over.
    pub fn term(self, now: u64) -> u64 {
        if self.is_held(now) { self.begun } else { 0 }
    }

    /// True if a call may begin that the store was asked to authorize in this term: the lease has had no gap since.
    pub fn allows_call(self, asked_in: u64, now: u64) -> bool {
        asked_in > 0 && self.term(now) == asked_in
    }

    /// The store has renewed the lease; it was asked at one time, and the answer has arrived now.
    #[must_use]
    pub fn renewed(self, asked: u64, now: u64, duration: Duration) -> Self {
        let begun = if self.is_held(now) { self.begun } else { self.begun.saturating_add(1) };
        let duration = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self { until: asked.saturating_add(duration), begun }
    }
}
