//! Crash suspicion: a saga was running when its process died, and may have been the cause. It is watched until
//! it makes progress, or until its calls have run for a while and the process is still alive.

use std::time::Duration;

use super::{Effect, Machine};
use crate::log::{SagaEntry, Timestamp};

/// How to watch a saga that was running when its process died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// How many crashes count against the saga so far.
    pub crashes: u32,
    /// True if no other saga is watched at the same time, so that another crash would count against this one.
    pub alone: bool,
    /// How long its calls must run before it is cleared.
    pub window: Duration,
}

/// A watch that has begun.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watched {
    window: Duration,
    /// When the watch ends; none before the first call has gone out.
    until: Option<Timestamp>,
}

impl Machine {
    pub(super) fn begin_watch(&mut self, watch: Watch) {
        let Watch { crashes, alone, window } = watch;
        let suspected = SagaEntry::Suspected { crashes, alone };
        if self.state.allows_saga_entry(&suspected) {
            self.write(suspected);
            self.rare_mut().watched = Some(Watched { window, until: None });
        }
    }

    /// The effects that were held are released: the watch counts from the first call among them.
    pub(super) fn watch_calls(&mut self) {
        let calls = |e: &Effect| matches!(e, Effect::RunAction(_) | Effect::RunUndo(_));
        if let Some(watched) = self.rare.as_mut().and_then(|rare| rare.watched.as_mut())
            && watched.until.is_none()
            && self.held.iter().any(calls)
        {
            watched.until = Some(self.now.after(watched.window));
        }
    }

    /// When the watch ends, if there is one.
    pub(super) fn watched_until(&self) -> Option<Timestamp> {
        self.rare().watched?.until
    }

    /// The saga has made progress, or its time is up.
    pub(super) fn end_watch(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.watched = None;
        }
    }

    /// Ends the watch if its time is up: the process is still alive, so the saga is cleared.
    pub(super) fn watch_ends(&mut self) {
        if self.watched_until().is_some_and(|at| at <= self.now) {
            self.end_watch();
            if self.under_way.calls() > 0 && self.state.allows_saga_entry(&SagaEntry::Cleared) {
                self.write(SagaEntry::Cleared);
            }
        }
    }
}
