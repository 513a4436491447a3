//! What a move changes.

use std::sync::Arc;
use std::time::Duration;

use saga_core::SagaStatus;
use saga_core::action::UndoContract;
use saga_core::log::{Failure, FailureKind, Payload, Timestamp, Uuid};
use saga_core::machine::{ActionResult, Event};
use saga_core::operator::Command;
use saga_core::store::{LeaseTimes, SagaRecord, StoreError, WorkerId};

use crate::moves::Move;
use crate::receiver::{Receiver, Request};
use crate::setup::{LEASE, Mistake, Protocol, Setup};
use crate::state::{Broken, Call, Phase, Run, State, Way, Worker, Written, told};

/// The fingerprint of the definition, which both workers know.
const FINGERPRINT: &str = "f";

impl State {
    /// The first worker has just created the saga.
    pub(crate) fn start(setup: &Setup) -> Self {
        let embedded = setup.protocol == Protocol::Embedded;
        let lease = |is_alive: bool| match is_alive && !embedded {
            true => LeaseTimes::default().renewed(0, 0, Duration::from_millis(LEASE)),
            false => LeaseTimes::default(),
        };
        let worker = |worker: usize, is_alive: bool| Worker {
            is_alive,
            starts: 1,
            id: id(worker, 1),
            run: Run::Nothing,
            lease: lease(is_alive),
            stored_until: lease(is_alive).until,
            asked: None,
            lag: 0,
        };
        let saga = "saga".parse().expect("an id");
        let mut record = SagaRecord::new(saga, "saga", id(0, 1), Timestamp(0));
        record.run_key = Uuid::from_u128(1);
        record.fingerprint = FINGERPRINT.into();
        let mut state = Self {
            record,
            log: Arc::default(),
            log_hash: 0,
            strays: Vec::new(),
            workers: [worker(0, true), worker(1, !embedded)],
            calls: Vec::new(),
            receivers: vec![Receiver::default(); setup.nodes()],
            now: 0,
            left: setup.budget,
            broken: None,
        };
        state.create(0, setup);
        state
    }

    /// The state after a move.
    pub(crate) fn after(&self, happens: Move, setup: &Setup) -> Self {
        let mut next = self.clone();
        next.apply(happens, setup);
        next.forget_what_changes_nothing(setup);
        next.judge(setup);
        next
    }

    fn apply(&mut self, happens: Move, setup: &Setup) {
        match happens {
            Move::Write(worker) => self.write(worker, setup),
            Move::Hear(worker) => self.hear(worker, setup),
            Move::TryAgain(worker) => {
                self.left.lost_replies -= 1;
                if let Run::Running(run) = &mut self.workers[worker].run
                    && let Some(pending) = &mut run.pending
                {
                    if pending.phase == Phase::Asked {
                        self.strays.push(pending.written.clone());
                    }
                    (pending.phase, pending.is_retry) = (Phase::Asked, true);
                }
            }
            Move::GiveUp(worker) => {
                self.left.lost_replies -= 1;
                if setup.mistake == Some(Mistake::LostReplyMeansNotWritten) {
                    // it writes the same entries anew
                    if let Run::Running(run) = &mut self.workers[worker].run
                        && let Some(pending) = &mut run.pending
                    {
                        pending.phase = Phase::Asked;
                    }
                } else {
                    self.stop(worker, Run::Again, setup);
                }
            }
            Move::StrayWrite(i) => {
                let stray = self.strays.remove(i);
                // nobody hears whether it was refused
                let _ = self.append(&stray, setup);
            }
            Move::Read(i) => {
                let call = &mut self.calls[i];
                call.way = Way::Reading(self.receivers[call.node]);
            }
            Move::Arrive(i) => self.arrive(i, false, setup),
            Move::ArriveRefused(i) => {
                self.left.refusals -= 1;
                self.arrive(i, true, setup);
            }
            Move::Duplicate(i) => {
                self.left.duplicates -= 1;
                self.calls.push(Call { way: Way::Sent, is_awaited: false, ..self.calls[i] });
            }
            Move::TimeOut(i) => {
                self.left.timeouts -= 1;
                let call = &mut self.calls[i];
                call.is_awaited = false;
                let (vertex, worker, undo) = (call.vertex, call.worker, call.undo);
                let failure = Failure::new(FailureKind::TimedOut, "no answer");
                let event = match undo {
                    true => Event::UndoDone { vertex, result: Err(failure) },
                    false => Event::ActionDone { vertex, result: ActionResult::InDoubt(failure) },
                };
                self.tell(worker, event, setup);
            }
            Move::Cancel(worker) => {
                self.left.cancels -= 1;
                let command = Command::Cancel { reason: String::new() };
                let event = Event::Operator { id: Uuid::from_u128(2), by: "x".into(), command };
                self.tell(worker, event, setup);
            }
            Move::Crash(worker) => {
                self.left.crashes -= 1;
                self.stop(worker, Run::Nothing, setup);
                let w = &mut self.workers[worker];
                (w.is_alive, w.asked) = (false, None);
            }
            Move::Start(worker) => {
                let w = &mut self.workers[worker];
                (w.is_alive, w.starts) = (true, w.starts + 1);
                w.id = id(worker, w.starts);
                let fingerprints = [FINGERPRINT.to_string()];
                let free = SagaRecord::claimable([&self.record], &w.id, &fingerprints, 1);
                if !free.is_empty() {
                    self.claim(worker, setup);
                }
            }
            Move::Claim(worker) => {
                self.renew(worker);
                self.claim(worker, setup);
            }
            Move::Retake(worker) => {
                // as `CoordinatorInner::take_again`: without leases it looks whether the saga is still its own
                let lost = match setup.protocol {
                    Protocol::Embedded => self.owner() != Some(worker),
                    Protocol::Leases => !self.may_take(worker, setup),
                };
                let is_over = self.end().is_some() || self.is_parked();
                if lost || is_over {
                    self.workers[worker].run = Run::Nothing;
                } else {
                    self.renew(worker);
                    self.own(worker, SagaRecord::take, setup);
                }
            }
            Move::Load(worker) => {
                if let Run::Claimed { epoch } = self.workers[worker].run {
                    self.load(worker, epoch, setup);
                }
            }
            Move::Renew(worker) => {
                let asked = self.clock(worker);
                let w = &mut self.workers[worker];
                (w.stored_until, w.asked) = (self.now + LEASE, Some(asked));
            }
            Move::HearRenewal(worker) => {
                let clock = self.clock(worker);
                let w = &mut self.workers[worker];
                if let Some(mut asked) = w.asked.take() {
                    if setup.mistake == Some(Mistake::LeaseFromAnswer) {
                        asked = clock;
                    }
                    w.lease = w.lease.renewed(asked, clock, Duration::from_millis(LEASE));
                }
            }
            Move::NoticeEnd(worker) => self.stop(worker, Run::Again, setup),
            Move::Tick => {
                self.left.ticks = self.left.ticks.saturating_sub(1);
                self.now += 1;
            }
            Move::Drift(worker) => {
                self.left.drift -= 1;
                self.now += 1;
                self.workers[worker].lag += 1;
            }
        }
    }

    /// A worker renews its lease, and hears of it at once.
    fn renew(&mut self, worker: usize) {
        let clock = self.clock(worker);
        let w = &mut self.workers[worker];
        w.stored_until = self.now + LEASE;
        w.lease = w.lease.renewed(clock, clock, Duration::from_millis(LEASE));
    }

    fn claim(&mut self, worker: usize, setup: &Setup) {
        self.own(worker, SagaRecord::claim, setup);
    }

    fn own(&mut self, worker: usize, take: fn(&mut SagaRecord, &WorkerId), setup: &Setup) {
        let before = self.record.epoch;
        take(&mut self.record, &self.workers[worker].id);
        if setup.mistake == Some(Mistake::EpochNotRaised) {
            self.record.epoch = before;
        }
        self.workers[worker].run = Run::Claimed { epoch: self.record.epoch };
    }

    /// The store executes the append of a worker: compare and append. One that is tried again is not refused if its entries
    /// turn out to be in the log (`why_not` in `saga-core/src/store/postgres/appends.rs`).
    pub(crate) fn write(&mut self, worker: usize, setup: &Setup) {
        let Run::Running(run) = &self.workers[worker].run else { return };
        let Some(pending) = &run.pending else { return };
        let (written, is_retry, epoch) = (pending.written.clone(), pending.is_retry, run.epoch);
        let phase = match self.append(&written, setup) {
            Ok(()) => Phase::Written,
            Err(_) if is_retry && self.has(&written) => Phase::Written,
            Err(_) => Phase::Refused,
        };
        if phase == Phase::Refused && self.is_owned(worker, epoch) {
            self.broken = Some(Broken::OwnerRefused);
        }
        if let Run::Running(run) = &mut self.workers[worker].run
            && let Some(pending) = &mut run.pending
        {
            pending.phase = phase;
        }
    }

    fn append(&mut self, written: &Written, setup: &Setup) -> Result<(), StoreError> {
        let mut append = written.append.clone();
        if setup.mistake == Some(Mistake::NoFence) {
            append.owner = self.record.owner.clone().unwrap_or(append.owner);
            append.epoch = self.record.epoch;
            append.expected_next_seq = self.record.next_seq;
        }
        append.apply_to(&mut self.record)?;
        let log = Arc::make_mut(&mut self.log);
        for entry in append.entries {
            self.log_hash = told(self.log_hash, &entry);
            if entry.seq != log.len() as u64 + 1 {
                self.broken = Some(Broken::TwoHistories);
            }
            log.push(entry);
        }
        Ok(())
    }

    /// True if the log has these entries where they belong.
    fn has(&self, written: &Written) -> bool {
        let first = written.append.expected_next_seq.saturating_sub(1) as usize;
        self.log.get(first..first + written.append.entries.len())
            == Some(&written.append.entries[..])
    }

    fn hear(&mut self, worker: usize, setup: &Setup) {
        let Run::Running(run) = &mut self.workers[worker].run else { return };
        let Some(pending) = run.pending.take() else { return };
        if pending.phase == Phase::Refused {
            // as `Driver::release`: it has lost the saga, and does not know to whom
            return self.stop(worker, Run::Nothing, setup);
        }
        run.told = 0;
        if !self.has(&pending.written) {
            self.broken = Some(Broken::LostEntry);
        }
        self.tell(worker, Event::Appended, setup);
    }

    fn arrive(&mut self, i: usize, refuse: bool, setup: &Setup) {
        let Call { node, undo, worker, vertex, token, way, is_awaited } = self.calls.remove(i);
        let receiver = &mut self.receivers[node];
        let seen = match way {
            Way::Reading(seen) => seen,
            Way::Sent => *receiver,
        };
        let ok = receiver.handle(&seen, Request { node, undo, token, refuse }, setup);
        if !is_awaited {
            return;
        }
        let refused =
            |retryable| Failure { retryable, ..Failure::new(FailureKind::Failed, "refused") };
        let event = match (undo, ok) {
            (true, true) => Event::UndoDone { vertex, result: Ok(()) },
            (true, false) => Event::UndoDone { vertex, result: Err(refused(true)) },
            (false, true) => {
                let result = ActionResult::Ok(Payload::from(&b"1"[..]));
                Event::ActionDone { vertex, result }
            }
            (false, false) => {
                Event::ActionDone { vertex, result: ActionResult::Failed(refused(false)) }
            }
        };
        self.tell(worker, event, setup);
    }

    /// Removes what has no consequences, so that states which differ only by it are one.
    fn forget_what_changes_nothing(&mut self, setup: &Setup) {
        if setup.skips_the_lost {
            for worker in 0..2 {
                if let Run::Running(run) = &self.workers[worker].run
                    && (self.end().is_some() || !self.is_owned(worker, run.epoch))
                    && run.pending.as_ref().is_none_or(|pending| pending.phase != Phase::Written)
                {
                    self.stop(worker, Run::Nothing, setup);
                }
            }
        }
        let Self { receivers, calls, .. } = self;
        calls.retain(|call| {
            let receiver = &receivers[call.node];
            call.is_awaited || !receiver.ignores_forever(call.node, call.undo, setup)
        });
        calls.sort_unstable();
        if setup.mistake.is_none() {
            // epochs and sequence numbers only grow
            let record = &self.record;
            self.strays.retain(|stray| {
                let mut record = record.clone();
                stray.append.apply_to(&mut record).is_ok()
            });
        }
        self.strays.sort_unstable_by_key(|stray| stray.hash);
    }

    /// Checks what must hold of every state.
    fn judge(&mut self, setup: &Setup) {
        if self.broken.is_some() {
            return;
        }
        let has_undo = |node: usize| setup.undo(node) != UndoContract::None;
        let mut receivers = self.receivers.iter().enumerate();
        self.broken = match self.end() {
            Some(SagaStatus::Completed) if receivers.any(|(_, r)| r.effects != 1) => {
                Some(Broken::NotEachEffectOnce)
            }
            Some(SagaStatus::RolledBack)
                if receivers.any(|(node, r)| has_undo(node) && r.effects != 0) =>
            {
                Some(Broken::NotRolledBack)
            }
            // a node in doubt whose output its undo needs is run again, and may be refused for good
            Some(SagaStatus::Stuck)
                if !receivers
                    .any(|(node, r)| setup.undo(node) == UndoContract::Output && r.has_refused) =>
            {
                Some(Broken::Stuck)
            }
            _ => None,
        };
    }
}

/// The id of a worker: a new one for each start.
fn id(worker: usize, starts: u8) -> WorkerId {
    WorkerId::from(format!("{worker}.{starts}").as_str())
}
