//! The lease of this process on its sagas, in a store that several processes share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::ambient::watch;
use crate::clock::with_suspends;
use crate::store::{LeaseTerms, LeaseTimes, StoreError};

/// Whether this process may still run its sagas. It asks no store: the lease is taken to end one
/// [duration](LeaseTerms::duration) after its last renewal was *asked for*, which is never later than by the store's clock.
pub(crate) struct Lease {
    pub(crate) terms: LeaseTerms,
    /// When it ends, in milliseconds of a clock that runs on while the machine is suspended.
    until: AtomicU64,
    /// How often it has begun: whenever it was renewed after its end, or for the first time.
    begun: AtomicU64,
    /// True while sagas may run.
    held: watch::Sender<bool>,
}

impl Lease {
    /// A lease that has not begun.
    pub(crate) fn new(terms: LeaseTerms) -> Self {
        let (until, begun) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { terms, until, begun, held: watch::channel(false).0 }
    }

    /// The time to pass to [`renewed`](Self::renewed), read before the store is asked.
    pub(crate) fn now() -> Duration {
        with_suspends()
    }

    /// The store has renewed the lease; it was asked at this time.
    pub(crate) fn renewed(&self, asked: Duration) {
        let now = millis(Self::now());
        let times = self.times();
        let renewed = times.renewed(millis(asked), now, self.terms.duration);
        if renewed.begun != times.begun {
            // comes first, so that whoever sees that it is held sees that there was a gap
            self.begun.fetch_add(1, Ordering::Release);
        }
        self.until.store(renewed.until, Ordering::Release);
        // it may have taken too long
        self.held
            .send_if_modified(|held| std::mem::replace(held, self.is_held()) != self.is_held());
    }

    /// The lease as it is now. Its end is read first, because [`renewed`](Self::renewed) writes it last.
    fn times(&self) -> LeaseTimes {
        let until = self.until.load(Ordering::Acquire);
        LeaseTimes { until, begun: self.begun.load(Ordering::Acquire) }
    }

    /// True until the lease ends.
    pub(crate) fn is_held(&self) -> bool {
        let now = millis(Self::now());
        self.times().is_held(now)
    }

    /// Which of the times that the lease was held without a gap this is; 0 while it is not held.
    pub(super) fn term(&self) -> u64 {
        let now = millis(Self::now());
        self.times().term(now)
    }

    /// True if a call may begin that the store was asked to authorize in this term.
    pub(super) fn allows_call(&self, asked_in: u64) -> bool {
        let now = millis(Self::now());
        self.times().allows_call(asked_in, now)
    }

    /// How long it lasts if it is not renewed.
    pub(crate) fn left(&self) -> Duration {
        let until = Duration::from_millis(self.until.load(Ordering::Acquire));
        until.saturating_sub(Self::now())
    }

    /// The lease has ended: whoever waits for [`held`](Self::held) waits from now on. False if that was known already.
    pub(crate) fn end(&self) -> bool {
        self.held.send_replace(false)
    }

    /// Waits until the lease is held.
    pub(crate) async fn held(&self) {
        // this cannot fail, since the sender is here
        let _ = self.held.subscribe().wait_for(|held| *held).await;
    }

    /// Why a saga stops when the lease ends.
    pub(crate) fn error(&self) -> StoreError {
        let why = format!(
            "this process could not renew its lease for {:?}, so that other processes may run its sagas by now",
            self.terms.duration
        );
        StoreError::Failed { store: "the lease".to_string(), why }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lease_is_held_for_its_duration_from_the_time_it_was_asked_for() {
        let lease = Lease::new(LeaseTerms::new(Duration::from_millis(200)));
        assert!(!lease.is_held());
        lease.renewed(Lease::now());
        assert!(lease.is_held() && lease.left() > Duration::ZERO);
        lease.held().await;
        std::thread::sleep(Duration::from_millis(210));
        assert!(!lease.is_held() && lease.left() == Duration::ZERO);
        // an answer that took longer than the lease renews nothing
        lease.renewed(Lease::now().saturating_sub(Duration::from_millis(300)));
        assert!(!lease.is_held());
        let held = tokio::time::timeout(Duration::from_millis(10), lease.held()).await;
        assert!(held.is_err());
    }

    #[test]
    fn a_lease_that_is_renewed_after_its_end_has_a_gap() {
        let lease = Lease::new(LeaseTerms::new(Duration::from_millis(200)));
        assert_eq!(lease.term(), 0);
        lease.renewed(Lease::now());
        lease.renewed(Lease::now());
        assert_eq!(lease.term(), 1);
        std::thread::sleep(Duration::from_millis(210));
        assert_eq!(lease.term(), 0);
        lease.renewed(Lease::now());
        assert_eq!(lease.term(), 2);
        assert!(lease.end() && !lease.end());
    }
}
