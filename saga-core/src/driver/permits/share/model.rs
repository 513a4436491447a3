//! A model of several workers that share a limit: every order of looks, changes, renewals, deaths and lost answers must
//! keep the calls within the limit.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Calls, Planned, Share, ShareTerms, divide};
use crate::log::Timestamp;
use crate::store::{CallShare, CallShares, ShareChange, SharedCalls, WorkerId};

/// In milliseconds, as all times here.
const LEASE: u64 = 1_000;
const SHORT: ShareTerms =
    ShareTerms { idle: Duration::from_millis(200), turn: Duration::from_millis(300) };

pub(super) struct Random(pub(super) u64);

impl Random {
    /// A number below this one.
    pub(super) fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What the store has.
#[derive(Default)]
pub(super) struct Stored {
    pub(super) now: u64,
    pub(super) there: CallShares,
    /// Until when workers are alive.
    pub(super) leases: BTreeMap<String, u64>,
    pub(super) changes: u64,
}

impl Stored {
    fn alive(&self) -> Vec<WorkerId> {
        let alive = self.leases.iter().filter(|(_, until)| **until > self.now);
        alive.map(|(worker, _)| WorkerId::from(worker.as_str())).collect()
    }

    pub(super) fn read(&self) -> SharedCalls {
        let actions = vec![self.there.clone()];
        SharedCalls { now: Timestamp(self.now), alive: self.alive(), actions }
    }

    pub(super) fn change(&mut self, change: &ShareChange) -> bool {
        let is_made = self.there.change(change.clone());
        self.changes += u64::from(is_made);
        is_made
    }
}

/// What a worker has asked the store.
enum Asked {
    Nothing,
    Read,
    /// The answer is on its way.
    Seen(SharedCalls),
    Change(ShareChange, Planned),
    Answered(bool, Planned),
}

pub(super) struct Worker {
    pub(super) id: WorkerId,
    pub(super) share: Share,
    pub(super) under_way: u32,
    pub(super) waiting: u32,
    /// When its lease ends, as it knows itself.
    pub(super) until: u64,
    /// When it has asked for its lease to be renewed, and whether the store has done so.
    renewal: Option<(u64, bool)>,
    asked: Asked,
    suspended: bool,
}

impl Worker {
    pub(super) fn new(name: u64, limit: u32) -> Self {
        Self {
            id: WorkerId::from(&*format!("w{name:03}")),
            share: Share::new(limit),
            under_way: 0,
            waiting: 0,
            until: 0,
            renewal: None,
            asked: Asked::Nothing,
            suspended: false,
        }
    }

    pub(super) fn calls(&self) -> Calls {
        Calls { under_way: self.under_way, wanted: self.under_way + self.waiting }
    }

    pub(super) fn start_calls(&mut self, now: u64) {
        while self.waiting > 0 && self.under_way < self.share.may() && now < self.until {
            self.waiting -= 1;
            self.under_way += 1;
        }
    }

    /// The answer to a renewal: the rule of the coordinator.
    fn renewed(&mut self, asked: u64, now: u64) {
        if now >= self.until {
            self.share.lapsed();
            self.under_way = 0;
        }
        self.until = asked + LEASE;
    }

    pub(super) fn plan(
        &mut self,
        terms: ShareTerms,
        seen: &SharedCalls,
    ) -> Option<(ShareChange, Planned)> {
        let (calls, id) = (self.calls(), self.id.clone());
        self.share.plan((&id, "call"), calls, terms, seen, &seen.actions[0])
    }

    /// Does one of the things that it can do.
    fn step(&mut self, store: &mut Stored, late: &mut Vec<ShareChange>, random: &mut Random) {
        let now = store.now;
        if self.suspended {
            // what was sent arrives all the same
            match std::mem::replace(&mut self.asked, Asked::Nothing) {
                Asked::Change(change, planned) if random.one_in(2) => {
                    self.asked = Asked::Answered(store.change(&change), planned);
                }
                asked => self.asked = asked,
            }
            self.suspended = !random.one_in(8);
            return;
        }
        match random.below(7) {
            0 => self.waiting = (self.waiting + random.below(4) as u32).min(9),
            1 => self.start_calls(now),
            2 if self.under_way > 0 => {
                self.under_way -= 1;
                self.share.note(self.calls());
            }
            3 => match self.renewal.take() {
                None => self.renewal = Some((now, false)),
                Some((asked, false)) => {
                    store.leases.insert(self.id.to_string(), now + LEASE);
                    self.renewal = Some((asked, true));
                }
                Some((asked, true)) => self.renewed(asked, now),
            },
            4 if random.one_in(20) => self.suspended = true,
            // the timer of its lease
            5 if now >= self.until => self.under_way = 0,
            _ => self.asked = self.ask(store, late, random),
        }
    }

    fn ask(
        &mut self,
        store: &mut Stored,
        late: &mut Vec<ShareChange>,
        random: &mut Random,
    ) -> Asked {
        match std::mem::replace(&mut self.asked, Asked::Nothing) {
            Asked::Nothing => Asked::Read,
            Asked::Read => Asked::Seen(store.read()),
            Asked::Seen(seen) => match self.plan(SHORT, &seen) {
                Some((change, planned)) => Asked::Change(change, planned),
                None => Asked::Nothing,
            },
            Asked::Change(change, _) if random.one_in(6) => {
                // the answer is lost, and nobody knows whether the change will be made
                late.push(change);
                Asked::Nothing
            }
            Asked::Change(change, planned) => Asked::Answered(store.change(&change), planned),
            Asked::Answered(true, planned) => {
                self.share.confirmed(&planned);
                Asked::Nothing
            }
            Asked::Answered(false, _) => Asked::Nothing,
        }
    }
}

/// Random orders of everything that can happen. Returns the most calls that there were at once.
fn any_order(seed: u64, limits: &[u32], steps: u32) -> u32 {
    let mut random = Random(seed);
    let (mut store, mut late) = (Stored { now: 10_000, ..Stored::default() }, Vec::new());
    let mut started = limits.len() as u64;
    let mut workers =
        (0..).zip(limits).map(|(n, limit)| Worker::new(n, *limit)).collect::<Vec<_>>();
    let most = limits.iter().copied().max().unwrap();
    let mut seen = 0;
    for _ in 0..steps {
        store.now += if random.one_in(30) { random.below(LEASE) } else { random.below(8) };
        if random.one_in(10) && !late.is_empty() {
            let at = random.below(late.len() as u64) as usize;
            store.change(&late.swap_remove(at));
        }
        let at = random.below(workers.len() as u64) as usize;
        if random.one_in(500) {
            // it is killed, and another one is started
            workers[at] = Worker::new(started, limits[at]);
            started += 1;
        }
        workers[at].step(&mut store, &mut late, &mut random);
        let running = workers.iter().filter(|worker| store.now < worker.until);
        let running = running.map(|worker| worker.under_way).sum();
        assert!(running <= most, "seed {seed}: {running} calls at once, of {limits:?}");
        seen = seen.max(running);
    }
    seen
}

#[test]
fn in_any_order_of_events_the_calls_stay_within_the_limit() {
    for (i, limits) in
        [&[1, 1][..], &[3, 3], &[2, 2, 2], &[5, 5, 5, 5], &[4, 2, 6]].iter().enumerate()
    {
        let mut most = 0;
        for seed in 0..150 {
            most = most.max(any_order(seed * 16 + i as u64, limits, 4_000));
        }
        assert!(most >= *limits.iter().min().unwrap(), "all of the limit is used: {most}");
    }
}

#[test]
fn the_smallest_limit_counts() {
    let share = |worker: &str, limit, held, wants| {
        let (worker, since) = (WorkerId::from(worker), Timestamp(0));
        CallShare { worker, limit, held, wants, since }
    };
    let shares = [share("a", 10, 10, 50), share("b", 4, 0, 50)];
    assert_eq!(divide(&shares, 4, Timestamp(1), SHORT.turn), [2, 2]);
    let (mut new, id) = (Share::new(4), WorkerId::from("b"));
    let there = CallShares { version: 7, shares: vec![shares[0].clone()] };
    let alive = vec![WorkerId::from("a"), id.clone()];
    let seen = SharedCalls { now: Timestamp(1), alive, actions: vec![] };
    let calls = Calls { under_way: 0, wanted: 50 };
    let (change, _) = new.plan((&id, "call"), calls, SHORT, &seen, &there).unwrap();
    assert_eq!(
        change.shares[1],
        CallShare { since: Timestamp(1), wants: 4, ..share("b", 4, 0, 4) }
    );
    // and the old one makes room
    let (mut old, id) = (Share::new(10), WorkerId::from("a"));
    old.held = 10;
    let there = CallShares { version: 8, shares: change.shares };
    let calls = Calls { under_way: 10, wanted: 50 };
    assert!(old.plan((&id, "call"), calls, SHORT, &seen, &there).is_none());
    assert_eq!(old.may(), 2);
    let calls = Calls { under_way: 1, wanted: 50 };
    let (change, _) = old.plan((&id, "call"), calls, SHORT, &seen, &there).unwrap();
    assert_eq!(change.shares.iter().map(|share| share.held).collect::<Vec<_>>(), [0, 2]);
}
