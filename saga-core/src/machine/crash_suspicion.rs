//! A saga under watch: it was running when its process died, and nobody knows yet whether that was its
//! doing.

use std::time::Duration;

use super::{Effect, Machine};
use crate::log::{SagaEntry, Timestamp};

/// How a saga is watched that was running when its process died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// How many crashes count against it so far.
    pub crashes: u32,
    /// True if no other saga is watched with it: should the process die now, that counts.
    pub alone: bool,
    /// It is cleared when its calls have run for so long.
    pub window: Duration,
}

/// A watch that has begun.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watched {
    window: Duration,
    /// When it is over; none before the first call has gone out.
    until: Option<Timestamp>,
}

impl Machine {
    pub(super) fn begin_watch(&mut self, watch: Watch) {
        let Watch { crashes, alone, window } = watch;
        let suspected = SagaEntry::Suspected { crashes, alone };
        if self.state.allows_saga_entry(&suspected) {
            self.write(suspected);
            self.watched = Some(Watched { window, until: None });
        }
    }

    /// Calls go out: from the first of them on it counts.
    pub(super) fn watch_calls(&mut self, effects: &[Effect]) {
        let calls = |e: &Effect| matches!(e, Effect::RunAction(_) | Effect::RunUndo(_));
        if let Some(watched) = &mut self.watched
            && watched.until.is_none()
            && effects.iter().any(calls)
        {
            watched.until = Some(self.now.after(watched.window));
        }
    }

    /// When a saga that is watched is to be looked at again.
    pub(super) fn watched_until(&self) -> Option<Timestamp> {
        self.watched?.until
    }

    /// Its time is up, and the process lives.
    pub(super) fn end_watch(&mut self) {
        if self.watched_until().is_some_and(|at| at <= self.now) {
            self.watched = None;
            if !self.in_flight.is_empty() && self.state.allows_saga_entry(&SagaEntry::Cleared) {
                self.write(SagaEntry::Cleared);
            }
        }
    }
}
