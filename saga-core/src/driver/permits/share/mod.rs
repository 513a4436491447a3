//! The share of this process in a limit over all workers of a store. Pure: [`Share::plan`] is told what the store has,
//! and says what to change there.
//!
//! The store has one list of shares for each action, and changes it only for whoever has read its newest version. A
//! worker may have as many calls under way as it holds, and holds no more than the others leave. All workers divide the
//! limit in the same way: each gets what it wants, up to an equal part. Who holds more than that starts no call until
//! it does not, and gives up what becomes free.
//!
//! These keep the calls within the limit:
//! - `held` grows only by a change that the store has confirmed, and shrinks before the store is asked.
//! - What a dead worker held is free for others. If it comes back, it [holds nothing](Share::lapsed), since its lease ended
//!   here before it did in the store.

#[cfg(test)]
mod fairness;
#[cfg(test)]
mod model;

use std::time::Duration;

use crate::log::Timestamp;
use crate::store::{CallShare, CallShares, ShareChange, SharedCalls, WorkerId};

/// Times that shares depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShareTerms {
    /// How long a worker keeps what it does not use while nobody else needs it; twice that at most.
    pub(crate) idle: Duration,
    /// How long a worker keeps its turn where there are more workers than calls.
    pub(crate) turn: Duration,
}

/// The calls of this process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Calls {
    pub(super) under_way: u32,
    /// How many would be under way if this limit did not exist.
    pub(super) wanted: u32,
}

/// The share of this process in the calls of one action.
#[derive(Debug)]
pub(super) struct Share {
    /// The limit over all workers.
    limit: u32,
    /// How many calls it may have under way, as the store has confirmed.
    held: u32,
    /// How many it should hold, as of its last look at the store.
    target: u32,
    /// How many it wanted to hold then.
    wants: u32,
    /// The most calls that it wanted since its last look.
    recent: u32,
    /// The most calls that it wanted in this idle time and in the one before, and when this one began.
    peaks: [u32; 2],
    peaks_since: Timestamp,
    /// True if the store may have a share of this process.
    is_listed: bool,
    /// How often the lease of this process has ended.
    lapses: u64,
}

/// What this process holds once the store has confirmed a change.
#[derive(Debug)]
pub(crate) struct Planned {
    held: u32,
    lapses: u64,
}

impl Share {
    pub(super) fn new(limit: u32) -> Self {
        Self {
            limit: limit.max(1),
            held: 0,
            target: 0,
            wants: 0,
            recent: 0,
            peaks: [0; 2],
            peaks_since: Timestamp(0),
            is_listed: false,
            lapses: 0,
        }
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    /// How often the lease of this process has ended. A permit that was granted before that is worth nothing.
    pub(super) fn lapses(&self) -> u64 {
        self.lapses
    }

    /// How many calls may be under way. No call starts while there are more.
    pub(super) fn may(&self) -> u32 {
        self.held.min(self.target)
    }

    /// The lease of this process has ended: others may have taken its share.
    pub(super) fn lapsed(&mut self) {
        self.lapses += 1;
        (self.held, self.target, self.wants) = (0, 0, 0);
    }

    /// True as long as it has to look at the store now and then.
    pub(super) fn is_active(&self, calls: Calls) -> bool {
        self.is_listed || self.held > 0 || calls.wanted > 0
    }

    /// The number of calls has changed. True if it should look at the store soon.
    pub(super) fn note(&mut self, calls: Calls) -> bool {
        self.recent = self.recent.max(calls.wanted);
        let got_all = self.held >= self.target && self.target >= self.wants;
        let wants_more = got_all && calls.wanted > self.wants && calls.under_way >= self.may();
        let owes = self.held > self.target && calls.under_way < self.held;
        wants_more || owes
    }

    /// Looks at what the store has. Returns what to change there, and what it will hold then.
    pub(super) fn plan(
        &mut self,
        (me, action): (&WorkerId, &str),
        calls: Calls,
        terms: ShareTerms,
        seen: &SharedCalls,
        there: &CallShares,
    ) -> Option<(ShareChange, Planned)> {
        let recent = std::mem::replace(&mut self.recent, calls.wanted).max(calls.wanted);
        self.note_peak(recent, seen.now, terms.idle);
        let mine = there.shares.iter().find(|share| share.worker == *me);
        let others = there.shares.iter().filter(|share| share.worker != *me);
        let alive = others.filter(|share| seen.alive.contains(&share.worker));
        let mut shares = alive.cloned().collect::<Vec<_>>();
        let limit = shares.iter().map(|share| share.limit).fold(self.limit, u32::min);
        let taken = shares.iter().fold(0, |taken: u32, share| taken.saturating_add(share.held));
        let is_short = shares.iter().any(|share| share.held < share.wants.min(limit));
        // what it has and does not use it keeps for a while, unless others need it
        let peak = self.peaks[0].max(self.peaks[1]).min(self.held);
        let wants = if is_short { recent } else { recent.max(peak) };
        let wants = wants.min(self.limit);

        let since = mine.map_or(seen.now, |mine| mine.since);
        let before =
            CallShare { worker: me.clone(), limit: self.limit, held: self.held, wants, since };
        shares.push(before.clone());
        let targets = divide(&shares, limit, seen.now, terms.turn);
        let target = targets.last().copied().unwrap_or(0);
        let held = if self.held > target {
            self.held.min(target.max(calls.under_way))
        } else {
            self.held.max(target.min(limit.saturating_sub(taken)))
        };
        (self.target, self.wants) = (target, wants);
        let is_known = |mine: &CallShare| {
            if (mine.limit, mine.held) != (self.limit, held) || held > self.held {
                return false;
            }
            let mut as_known = shares.clone();
            if let Some(me) = as_known.last_mut() {
                me.wants = mine.wants;
            }
            mine.wants == wants || divide(&as_known, limit, seen.now, terms.turn) == targets
        };
        let is_needed = held > 0 || wants > 0;
        let is_done = match mine {
            Some(mine) => is_needed && is_known(mine),
            None => !is_needed,
        };
        let since = if (held > 0) == (before.held > 0) { since } else { seen.now };
        // whether or not the store does it
        self.held = self.held.min(held);
        self.is_listed = is_needed || (mine.is_some() && !is_done);
        if is_done {
            return None;
        }
        shares.pop();
        if is_needed {
            shares.push(CallShare { held, since, ..before });
        }
        let change = ShareChange { action: action.to_string(), version: there.version, shares };
        Some((change, Planned { held, lapses: self.lapses }))
    }

    /// The store has confirmed a change.
    pub(super) fn confirmed(&mut self, planned: &Planned) {
        if planned.lapses == self.lapses {
            self.held = planned.held;
        }
    }

    fn note_peak(&mut self, recent: u32, now: Timestamp, idle: Duration) {
        if has_passed(idle, self.peaks_since, now) {
            self.peaks = [0, self.peaks[0]];
            self.peaks_since = now;
        }
        self.peaks[0] = self.peaks[0].max(recent);
    }
}

/// True if this time has passed, or the clock was set back.
fn has_passed(time: Duration, since: Timestamp, now: Timestamp) -> bool {
    u128::from(now.0.abs_diff(since.0)) >= time.as_millis()
}

/// How many calls each of these workers should hold: what it wants, up to an equal part of what those leave that want
/// less. If that is not a whole number, some get one more: those that have it already, and where there are more workers
/// than calls, each for a turn.
fn divide(shares: &[CallShare], limit: u32, now: Timestamp, turn: Duration) -> Vec<u32> {
    let mut targets = vec![0; shares.len()];
    let mut left = limit;
    let mut rest = shares.iter().zip(&mut targets).collect::<Vec<_>>();
    rest.sort_by_key(|(share, _)| std::cmp::Reverse(share.wants));
    let part = loop {
        let Some((share, target)) = rest.pop() else { return targets };
        let part = left / u32::try_from(rest.len() + 1).unwrap_or(u32::MAX);
        if share.wants > part {
            rest.push((share, target));
            break part;
        }
        *target = share.wants;
        left -= share.wants;
    };
    rest.sort_by_key(|(share, _)| {
        let has_more = share.held > part;
        let is_over = part == 0 && has_passed(turn, share.since, now);
        let rank = match (has_more, is_over) {
            (true, false) => 0,
            (false, _) => 1,
            (true, true) => 2,
        };
        (rank, share.since, share.worker.as_str())
    });
    let more = usize::try_from(left).unwrap_or(usize::MAX) % rest.len().max(1);
    for (place, (_, target)) in rest.into_iter().enumerate() {
        *target = part + u32::from(place < more);
    }
    targets
}
