//! Strays: sagas that this process owns, and that no task of it runs.
//!
//! A claim or a creation whose reply was lost may have taken effect, even a while after it was given up. Its sagas then have
//! an owner that is alive, so that no process takes them over. So after each such event this process compares what
//! it owns with what it runs, a few times and ever less often, and runs what is missing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::CoordinatorInner;
use super::stored::read;

/// How often it is looked for strays after an event: the last time 127 polls later.
const LOOKS: u32 = 8;

/// Counts the events after which there may be strays.
#[derive(Default)]
pub(super) struct StrayEvents(AtomicU64);

impl StrayEvents {
    /// There may be strays from now on.
    pub(super) fn note(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

/// When it is looked for strays next.
#[derive(Default)]
pub(super) struct StrayLooks {
    /// How many events there were at the last look.
    events: u64,
    /// How many looks are left.
    left: u32,
    /// In how many polls the next one is.
    after: u32,
}

impl StrayLooks {
    /// True if later polls must look, too.
    pub(super) fn go_on(&self) -> bool {
        self.left > 0
    }

    /// True if it is to be looked for strays at this poll.
    fn is_due(&mut self, events: u64) -> bool {
        if self.events != events {
            *self = Self { events, left: LOOKS, after: 0 };
        }
        if self.left == 0 {
            return false;
        }
        if self.after > 0 {
            self.after -= 1;
            return false;
        }
        self.left -= 1;
        self.after = (1 << (LOOKS - 1 - self.left)) - 1;
        true
    }
}

impl CoordinatorInner {
    /// Looks for strays, if it is time for that, and runs them. Called once for each poll.
    pub(super) async fn look_for_strays(self: &Arc<Self>, looks: &mut StrayLooks) {
        if !looks.is_due(self.strays.0.load(Ordering::Acquire)) {
            return;
        }
        let Ok(owned) = self.env.store.owned(&self.env.worker).await else {
            return self.strays.note();
        };
        let is_running = |id: &_| self.running().contains_key(id);
        for id in owned.into_iter().filter(|id| !is_running(id)) {
            if self.is_closing() {
                return;
            }
            // it may have ended meanwhile
            let Ok(found) = read(&*self.env.store, &id).await else { continue };
            if !is_running(&id) && self.is_abandoned(&found.record) {
                // if that fails, its task reports it; or this version does not know the saga
                let _ = self.wake(&id, None).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_after_an_event_become_ever_rarer() {
        let mut looks = StrayLooks::default();
        assert!(!looks.is_due(0));
        let at = (0..1000).filter(|_| looks.is_due(1)).collect::<Vec<_>>();
        assert_eq!(at, [0, 1, 3, 7, 15, 31, 63, 127]);
        assert!(looks.is_due(2));
    }
}
