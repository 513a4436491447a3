//! What can happen in a state.

use crate::setup::{LEASE, Mistake, Obligation, Protocol, Setup};
use crate::state::{Call, Phase, Run, State, Way};

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    /// The store executes the append that a worker has asked for.
    Write(usize),
    /// A worker hears what has become of its append.
    Hear(usize),
    /// The reply to an append does not arrive, and the worker tries the same append again.
    TryAgain(usize),
    /// The reply to an append does not arrive, and the worker stops the saga, to load it again.
    GiveUp(usize),
    /// An append that nobody waits for reaches the store.
    StrayWrite(usize),
    /// A call reaches its receiver, and its caller hears the answer if it still waits for it. An answer that takes longer is
    /// no other case: if the caller stops waiting or dies in between, it could have done so before.
    Arrive(usize),
    /// The same for a call that its receiver refuses.
    ArriveRefused(usize),
    /// A receiver that handles several calls at a time reads what it knows about the key of one.
    Read(usize),
    /// Something between a worker and a receiver makes a copy of a call.
    Duplicate(usize),
    /// A worker stops waiting for the answer to a call.
    TimeOut(usize),
    /// An operator cancels the saga at the worker that runs it.
    Cancel(usize),
    /// A process dies.
    Crash(usize),
    /// A process starts, takes the lock of the store and claims the saga.
    Start(usize),
    /// A worker begins or renews its lease, and claims the saga, which has no owner that is alive.
    Claim(usize),
    /// A worker begins or renews its lease, and makes a saga its own again that it has stopped.
    Retake(usize),
    /// A worker loads the saga that it has made its own.
    Load(usize),
    /// The store renews the lease of a worker.
    Renew(usize),
    /// A worker hears that its lease was renewed.
    HearRenewal(usize),
    /// A worker notices that its lease has ended, and stops the saga.
    NoticeEnd(usize),
    /// Time passes.
    Tick,
    /// Time passes, which the clock of this worker does not notice.
    Drift(usize),
}

impl State {
    /// Everything that can happen next.
    pub(crate) fn moves(&self, setup: &Setup, moves: &mut Vec<Move>) {
        if self.broken.is_some() {
            return;
        }
        let is_over = self.end().is_some() || self.is_parked();
        for worker in 0..2 {
            match is_over && setup.skips_the_lost {
                true if self.has_news(worker) => moves.push(Move::Hear(worker)),
                true => {}
                false => self.moves_of(worker, setup, moves),
            }
        }
        moves.extend((0..self.strays.len()).map(Move::StrayWrite));
        for (i, call) in self.calls.iter().enumerate() {
            self.moves_of_call(i, call, setup, moves);
        }
        if setup.protocol == Protocol::Leases && !is_over {
            // time does not stop before others notice that an owner has died
            let waits = self
                .owner()
                .is_some_and(|owner| !self.workers[owner].is_alive && self.is_leased(owner));
            if self.left.ticks > 0 || waits {
                moves.push(Move::Tick);
            }
            let alive = (0..2).filter(|w| self.left.drift > 0 && self.workers[*w].is_alive);
            moves.extend(alive.map(Move::Drift));
        }
    }

    fn moves_of(&self, worker: usize, setup: &Setup, moves: &mut Vec<Move>) {
        let w = &self.workers[worker];
        let embedded = setup.protocol == Protocol::Embedded;
        let is_over = self.end().is_some() || self.is_parked();
        if !w.is_alive {
            let is_locked = self.workers.iter().any(|w| w.is_alive);
            if embedded && !is_locked && !is_over {
                moves.push(Move::Start(worker));
            }
            return;
        }
        if self.left.crashes > 0 && !matches!(w.run, Run::Nothing) {
            moves.push(Move::Crash(worker));
        }
        match &w.run {
            Run::Nothing => {
                let free = !self.is_owned_by(worker) && self.may_take(worker, setup);
                if !embedded && !is_over && free {
                    moves.push(Move::Claim(worker));
                }
            }
            Run::Again => moves.push(Move::Retake(worker)),
            Run::Claimed { .. } => moves.push(Move::Load(worker)),
            Run::Running(run) => {
                if let Some(pending) = &run.pending {
                    let asked = pending.phase == Phase::Asked;
                    moves.push(if asked { Move::Write(worker) } else { Move::Hear(worker) });
                    if self.left.lost_replies > 0 && pending.phase != Phase::Refused {
                        moves.push(Move::GiveUp(worker));
                        if !embedded {
                            moves.push(Move::TryAgain(worker));
                        }
                    }
                }
                if self.left.cancels > 0 {
                    moves.push(Move::Cancel(worker));
                }
            }
        }
        // the lease of a worker that does not run the saga makes no difference
        let runs = matches!(w.run, Run::Claimed { .. } | Run::Running(_));
        if embedded || is_over || !runs {
            return;
        }
        if !w.lease.is_held(self.clock(worker)) {
            moves.push(Move::NoticeEnd(worker));
        }
        match w.asked {
            Some(_) => moves.push(Move::HearRenewal(worker)),
            None if w.lease.until < self.clock(worker) + LEASE => moves.push(Move::Renew(worker)),
            None => {}
        }
    }

    fn moves_of_call(&self, i: usize, call: &Call, setup: &Setup, moves: &mut Vec<Move>) {
        match call.way {
            Way::Sent if !setup.honours(call.node, Obligation::OneCallAtATime) => {
                moves.push(Move::Read(i))
            }
            Way::Sent | Way::Reading(_) => {
                moves.push(Move::Arrive(i));
                if self.left.refusals > 0 && !call.undo && call.node == setup.may_refuse() {
                    moves.push(Move::ArriveRefused(i));
                }
            }
        }
        if self.left.duplicates > 0 && call.is_awaited {
            moves.push(Move::Duplicate(i));
        }
        if self.left.timeouts > 0 && call.is_awaited {
            moves.push(Move::TimeOut(i));
        }
    }

    /// True if the store has written an append of which this worker has yet to hear.
    fn has_news(&self, worker: usize) -> bool {
        let Run::Running(run) = &self.workers[worker].run else { return false };
        run.pending.as_ref().is_some_and(|pending| pending.phase == Phase::Written)
    }

    fn is_owned_by(&self, worker: usize) -> bool {
        self.owner() == Some(worker)
    }

    /// True if a worker is alive by the store's clock: `lease_until > clock_timestamp()`.
    pub(crate) fn is_leased(&self, worker: usize) -> bool {
        self.workers[worker].stored_until > self.now
    }

    /// True if the store lets a worker take the saga over. With leases: the conditions of `claim_sql` and `take_sql` in
    /// `saga-core/src/store/postgres/claims.rs`, which the conformance suite for stores checks
    /// (`saga-core/src/testing/conformance/ownership.rs`).
    pub(crate) fn may_take(&self, worker: usize, setup: &Setup) -> bool {
        if setup.mistake == Some(Mistake::TakenFromTheLiving) {
            return true;
        }
        self.owner().is_none_or(|owner| owner == worker || !self.is_leased(owner))
    }
}
