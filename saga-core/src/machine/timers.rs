//! What time does: timers, the deadline, calls whose time is up.
//!
//! A deadline is a time of the wall clock, and follows it when that is set. The wait before a retry is so and
//! so long. It is kept as a time, too, for a process that comes later; but a clock that is set back by an hour
//! does not make it an hour longer. One that is set forward ends it, as for a machine that slept.

use super::{Effect, InFlight, Machine, VertexId};
use crate::log::{Cause, Failure, FailureKind, NodeEntry, SagaEntry, SagaStatus, Timestamp};

impl Machine {
    /// When a saga that only waits wants to go on.
    pub fn wake_at(&self) -> Option<Timestamp> {
        // nothing that waits for its time goes on before the saga is unparked
        let timer = self.timers.first().filter(|_| self.state.parked.is_none()).map(|(at, _)| *at);
        // not if the last of them came back by itself
        let abandon = self.abandon_at.filter(|_| self.status() == SagaStatus::Aborting);
        let set_back = self.set_back.unwrap_or_default();
        let waited = [timer, abandon].into_iter().flatten();
        let waited = waited.map(|at| Timestamp(at.0.saturating_sub(set_back)));
        waited.chain(self.deadline()).chain(self.overdue_at()).min()
    }

    /// When the saga will unwind, also while it is paused. Not while a pivot in doubt or a human who has
    /// been asked for holds the deadline, nor behind the pivot.
    fn deadline(&self) -> Option<Timestamp> {
        let state = &self.state;
        let held = state.past_pivot() || state.pivot_is_busy() || state.parked.is_some();
        self.config.deadline.filter(|_| self.is_going() && !held)
    }

    /// When it will be said that the saga is late: behind the pivot nothing else can be done.
    fn overdue_at(&self) -> Option<Timestamp> {
        let to_say = self.state.past_pivot() && !self.overdue;
        self.config.deadline.filter(|_| self.is_going() && to_say)
    }

    /// True as long as the saga goes forward and something is left to do.
    fn is_going(&self) -> bool {
        let state = &self.state;
        let going = state.run_key.is_some() && state.ended.is_none() && state.unwinding.is_none();
        going && !state.all_completed()
    }

    /// Timers that are due, and calls whose time is up.
    pub(super) fn pass_time(&mut self, effects: &mut Vec<Effect>) {
        while let Some(&(at, v)) = self.timers.first() {
            if at > self.waited() {
                break;
            }
            self.timers.pop_first();
            self.touched.push(v);
        }
        self.end_watch();
        if self.deadline().is_some_and(|at| at <= self.now) {
            self.write(SagaEntry::Unwinding(Cause::DeadlineExceeded));
        }
        if self.overdue_at().is_some_and(|at| at <= self.now) {
            self.overdue = true;
            effects.push(Effect::Overdue);
        }
        if self.abandon_at.is_some_and(|at| at <= self.waited()) {
            self.abandon_at = None;
            let forward = self.in_flight.iter().filter(|(_, call)| **call == InFlight::Forward);
            for v in forward.map(|(v, _)| *v).collect::<Vec<_>>() {
                effects.push(Effect::DropCall(v));
                self.in_flight.remove(&v);
                let after = self.config.abandon_after;
                let why =
                    format!("still running {after:?} after the saga began to unwind; dropped");
                self.write_about(v, NodeEntry::InDoubt(Failure::new(FailureKind::Cancelled, why)));
            }
        }
    }

    /// What the clock says. A log that ends later was written before the clock was set back.
    pub(super) fn tell_time(&mut self, now: Timestamp) {
        self.now = now;
        self.set_back.get_or_insert(self.written_at.0.saturating_sub(now.0));
    }

    pub(super) fn clock_was_set(&mut self, millis: i64) {
        let set_back = self.set_back.unwrap_or_default();
        // one that is set forward again is as it was
        self.set_back = Some(set_back.saturating_add_signed(millis.saturating_neg()));
        self.woken = None;
    }

    /// The time by which waits go: that of the wall clock, had it never been set back.
    pub(super) fn waited(&self) -> Timestamp {
        Timestamp(self.now.0.saturating_add(self.set_back.unwrap_or_default()))
    }

    /// True if a wait until then is over. What comes after it is not earlier in the log.
    pub(super) fn is_due(&mut self, at: Timestamp) -> bool {
        let due = at <= self.waited();
        if due {
            self.written_at = self.written_at.max(at);
        }
        due
    }

    /// The time of an entry that is written now: never before that of the one before it.
    pub fn entry_time(&mut self, now: Timestamp) -> Timestamp {
        self.written_at = self.written_at.max(now);
        self.written_at
    }

    /// A number that is the same wherever this try of this call is made.
    pub(super) fn dice(&self, v: VertexId, direction: u8, attempt: u32) -> u64 {
        let run_key = self.state.run_key.unwrap_or_default();
        let bytes = run_key.as_bytes().iter().copied();
        let bytes = bytes.chain(v.to_le_bytes()).chain([direction]).chain(attempt.to_le_bytes());
        // FNV-1a, then a finalizer that spreads the last bytes over all bits (splitmix64)
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
    }
}
