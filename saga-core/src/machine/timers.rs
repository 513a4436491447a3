//! The passage of time: timers, the deadline, and calls that are dropped when their time is up.
//!
//! A deadline is a point in wall time, so it moves with the wall clock when that is set. The wait before a retry
//! has a length. The log keeps its end as a point in wall time, so that another process can continue it; but
//! when the clock is set back by an hour, the wait does not become an hour longer. When the clock is set
//! forward, the wait ends early, as it does on a computer that was asleep.

use super::under_way::Work;
use super::{Effect, Machine, VertexId};
use crate::log::{Cause, Failure, FailureKind, SagaEntry, SagaStatus, Timestamp};
use crate::planted::{Mistake, planted};

impl Machine {
    /// When there is something to do again, if no other event comes first.
    pub fn wake_at(&self) -> Option<Timestamp> {
        // a parked saga retries nothing before it is unparked
        let timer = self.rare().timers.first().filter(|_| self.state.parked.is_none());
        let timer = timer.map(|(at, _)| *at);
        // not if the last of the actions has ended by itself
        let abandon = self.rare().abandon_at.filter(|_| self.status() == SagaStatus::Failed);
        let set_back = self.set_back.unwrap_or_default();
        let abandon_call = self.abandons_call_at();
        let waited = [timer, abandon, abandon_call, self.settles_alone_until()];
        let waited = waited.into_iter().flatten();
        let waited = waited.map(|at| Timestamp(at.0.saturating_sub(set_back)));
        let alarm = self.rare().alarms.first().filter(|_| self.state.parked.is_none());
        let waited = waited.chain(alarm.map(|(at, _)| *at)).chain(self.starts_later());
        waited.chain(self.deadline()).chain(self.overdue_at()).min()
    }

    /// When the saga starts, if that is still to come. One that is halted then starts when it goes on.
    fn starts_later(&self) -> Option<Timestamp> {
        let halted = self.state.paused || self.state.parked.is_some();
        (self.starts_not_yet() && !halted).then_some(self.state.starts_at)
    }

    /// True while the saga is there and has not started: it hears what is asked of it, and nothing else happens.
    pub fn starts_not_yet(&self) -> bool {
        let state = &self.state;
        state.starts_at > self.now && state.unwinding.is_none() && state.ended.is_none()
    }

    /// When the saga will unwind, even if it is paused. There is no deadline while the pivot is in flight or in
    /// doubt, while the saga is parked, and after the pivot.
    fn deadline(&self) -> Option<Timestamp> {
        let at = self.config.deadline.filter(|_| !planted(Mistake::DeadlineIgnored))?;
        let state = &self.state;
        let busy = state.pivot_is_busy() && !planted(Mistake::DeadlineOverPivot);
        let held = state.past_pivot() || busy || state.parked.is_some();
        (self.is_going() && !held).then_some(at)
    }

    /// When to warn that the saga is overdue. After the pivot a deadline can do nothing else.
    fn overdue_at(&self) -> Option<Timestamp> {
        let at = self.config.deadline?;
        (self.is_going() && self.state.past_pivot() && !self.rare().overdue).then_some(at)
    }

    /// True while the saga goes forward and has nodes left to complete.
    fn is_going(&self) -> bool {
        let state = &self.state;
        let going = state.run_key.is_some() && state.ended.is_none() && state.unwinding.is_none();
        going && !state.all_completed()
    }

    /// Acts on everything that is due: timers, the deadline, and actions to be dropped.
    pub(super) fn pass_time(&mut self, effects: &mut Vec<Effect>) {
        let waited = self.waited();
        if let Some(rare) = &mut self.rare {
            while let Some(&(at, v)) = rare.timers.first()
                && at <= waited
            {
                rare.timers.pop_first();
                self.touched.push(v);
            }
            while let Some(&(at, v)) = rare.alarms.first()
                && at <= self.now
            {
                rare.alarms.pop_first();
                self.touched.push(v);
            }
        }
        self.pass_settling_time();
        self.watch_ends();
        if self.deadline().is_some_and(|at| at <= self.now) {
            self.write(SagaEntry::Unwinding(Cause::DeadlineExceeded));
        }
        if self.overdue_at().is_some_and(|at| at <= self.now) {
            self.rare_mut().overdue = true;
            effects.push(Effect::Overdue);
        }
        self.abandon_in_scopes(effects);
        if self.rare().abandon_at.is_some_and(|at| at <= self.waited()) {
            self.rare_mut().abandon_at = None;
            for v in self.under_way.end_all(Work::Action) {
                effects.push(Effect::DropCall(v));
                let after = self.config.abandon_after;
                let why =
                    format!("still running {after:?} after the saga began to unwind; dropped");
                let failure = Failure::new(FailureKind::Cancelled, why);
                let entry = self.without_outcome(v, failure);
                self.write_about(v, entry);
            }
        }
    }

    /// Takes the time of this step. If the log ends later than that, the clock has been set back since.
    pub(super) fn tell_time(&mut self, now: Timestamp) {
        self.now = now;
        self.set_back.get_or_insert(self.written_at.0.saturating_sub(now.0));
    }

    pub(super) fn clock_was_set(&mut self, millis: i64) {
        let set_back = self.set_back.unwrap_or_default();
        // when it is set forward again, it is as it was
        self.set_back = Some(set_back.saturating_add_signed(millis.saturating_neg()));
        self.forget_wake_up();
    }

    /// By how many milliseconds the wall clock is behind what it would show, had it never been set back. Waits that have a length
    /// are measured by that, and a machine knows it only as long as the process lives or the log ends in the future.
    pub fn set_back(&self) -> u64 {
        self.set_back.unwrap_or_default()
    }

    /// The last [`Effect::WakeAt`] does not count any more.
    pub(super) fn forget_wake_up(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.woken = rare.woken.filter(|_| planted(Mistake::WakeUpForgotten));
        }
    }

    /// The time that waits are measured by: that of the wall clock, had it never been set back.
    pub(super) fn waited(&self) -> Timestamp {
        Timestamp(self.now.0.saturating_add(self.set_back.unwrap_or_default()))
    }

    /// True if a wait until this time is over. Then no later entry has an earlier time than this.
    pub(super) fn is_due(&mut self, at: Timestamp) -> bool {
        let due = at <= self.waited();
        if due {
            self.written_at = self.written_at.max(at);
        }
        due
    }

    /// The time of an entry that is written now, which is never earlier than that of the entry before it.
    pub fn entry_time(&mut self, now: Timestamp) -> Timestamp {
        self.written_at = self.written_at.max(now);
        self.written_at
    }

    /// A pseudorandom number for the jitter of a retry. It is the same in every process that makes this attempt.
    pub(super) fn jitter(&self, v: VertexId, direction: u8, attempt: u32) -> u64 {
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
