//! A worker: it tells its machine what happens, and does what the machine decides, in the way of
//! `saga-core/src/driver`.

use std::sync::Arc;

use saga_core::log::{Entry, NodeEntry, SagaEntry, Timestamp};
use saga_core::machine::{AuthorizedCall, Config, Effect, Event, Finish, Machine};
use saga_core::store::{Append, RecordChange};

use crate::setup::{Mistake, Protocol, Setup};
use crate::state::{Broken, Call, Pending, Phase, Run, Running, State, Way, Written, told};

/// Machines see one time: retries wait for none, and what else depends on time is not part of this model.
const NOW: Timestamp = Timestamp(1_000);

impl State {
    /// A worker begins to run the saga, which is new. Nobody knows of a saga before its creation is durable, so the check begins
    /// with that: the store has written the first append, and the worker has not heard of it.
    pub(crate) fn create(&mut self, worker: usize, setup: &Setup) {
        let machine = Machine::new(setup.plan.clone(), Config::default(), 1);
        let run_key = self.record.run_key;
        self.run(worker, machine, 1, Event::Created { run_key }, setup);
        self.write(worker, setup);
    }

    /// A worker loads the saga that it has made its own under this epoch.
    pub(crate) fn load(&mut self, worker: usize, epoch: u64, setup: &Setup) {
        match Machine::recover(setup.plan.clone(), Config::default(), epoch, &self.log) {
            Ok(machine) => self.run(worker, machine, epoch, Event::Recovered, setup),
            Err(_) => self.broken = Some(Broken::TwoHistories),
        }
    }

    fn run(&mut self, worker: usize, machine: Machine, epoch: u64, first: Event, setup: &Setup) {
        let running = Running { machine, epoch, pending: None, asked_in: 0, told: 0 };
        self.workers[worker].run = Run::Running(Box::new(running));
        self.tell(worker, first, setup);
    }

    /// Tells the machine of a worker what has happened, and does what it decides.
    pub(crate) fn tell(&mut self, worker: usize, event: Event, setup: &Setup) {
        let Run::Running(run) = &mut self.workers[worker].run else { return };
        run.told = told(run.told, &event);
        let mut effects = Vec::new();
        run.machine.step_all(NOW, [event], &mut effects);
        for effect in effects {
            match effect {
                Effect::Append { entries, .. } => self.ask_for_append(worker, entries),
                Effect::RunAction(call) => {
                    if !self.begin_call(worker, call, false, setup) {
                        return self.stop(worker, Run::Again, setup);
                    }
                }
                Effect::RunUndo(call) => {
                    if !self.begin_call(worker, call, true, setup) {
                        return self.stop(worker, Run::Again, setup);
                    }
                }
                Effect::Finish(Finish::Broken(_)) => self.broken = Some(Broken::TwoHistories),
                Effect::Finish(_) => return self.stop(worker, Run::Nothing, setup),
                // there are no probes, no waits, no permits, no `for`s and no computed nodes here, and who asked needs no answer
                Effect::Answer(..)
                | Effect::RequestPermit(_)
                | Effect::ReleasePermit(_)
                | Effect::Probe(_)
                | Effect::Choose(_)
                | Effect::Compute(_)
                | Effect::Times(_)
                | Effect::SignalCancel
                | Effect::SignalCancelOf(_)
                | Effect::DropCall(_)
                | Effect::WakeAt(_)
                | Effect::Overdue => {}
            }
        }
    }

    /// As `Driver::write` and `Driver::append` do.
    fn ask_for_append(&mut self, worker: usize, entries: Vec<Entry>) {
        let (saga, clock) = (self.record.id.clone(), self.clock(worker));
        let w = &mut self.workers[worker];
        let Run::Running(run) = &mut w.run else { return };
        let mut change = RecordChange::status(run.machine.status());
        for entry in &entries {
            if let Some(SagaEntry::Parked { reason }) = entry.saga_entry() {
                change.parked_reason = Some(Some(reason.clone()));
            }
        }
        run.asked_in = w.lease.term(clock);
        let append = Append {
            saga,
            owner: w.id.clone(),
            epoch: run.epoch,
            expected_next_seq: entries.first().map_or(0, |entry| entry.seq),
            entries,
            change,
            answers: Vec::new(),
        };
        let written = Arc::new(Written::new(append));
        run.pending = Some(Pending { written, phase: Phase::Asked, is_retry: false });
    }

    /// Begins a call that the machine has released. False if the lease does not allow it.
    fn begin_call(
        &mut self,
        worker: usize,
        call: AuthorizedCall,
        undo: bool,
        setup: &Setup,
    ) -> bool {
        let clock = self.clock(worker);
        let w = &self.workers[worker];
        let Run::Running(run) = &w.run else { return false };
        let allowed = match setup.mistake {
            _ if setup.protocol == Protocol::Embedded => true,
            Some(Mistake::NoLeaseCheck) => true,
            Some(Mistake::LeaseGapsIgnored) => w.lease.is_held(clock),
            _ => w.lease.allows_call(run.asked_in, clock),
        };
        if !allowed {
            return false;
        }
        let epoch = run.epoch;
        let begins = |entry: &Entry| match entry.node_entry() {
            Some(NodeEntry::Started) => !undo,
            Some(NodeEntry::UndoStarted) => undo,
            _ => false,
        };
        let recorded = self.log.iter().find(|entry| entry.seq == call.seq);
        if !recorded.is_some_and(|entry| begins(entry) && entry.epoch == epoch) {
            self.broken = Some(Broken::CallWithoutRecord);
        } else if !self.is_owned(worker, epoch) && !setup.tolerates_late_starts {
            self.broken = Some(Broken::CallWithoutOwnership);
        }
        // the vertices of a chain are its nodes
        let node = call.vertex as usize;
        let (vertex, token) = (call.vertex, (epoch, call.seq));
        let (way, is_awaited) = (Way::Sent, true);
        self.calls.push(Call { node, undo, worker, vertex, token, way, is_awaited });
        true
    }

    /// A worker stops its run of the saga. What is on its way stays there.
    pub(crate) fn stop(&mut self, worker: usize, then: Run, setup: &Setup) {
        let before = std::mem::replace(&mut self.workers[worker].run, then);
        if let Run::Running(run) = before
            && let Some(pending) = run.pending
            && pending.phase == Phase::Asked
            && setup.protocol == Protocol::Leases
        {
            // an embedded store is in the process: what it has not begun to write is gone with it
            self.strays.push(pending.written);
        }
        self.workers[worker].asked = None;
        for call in self.calls.iter_mut().filter(|call| call.worker == worker) {
            call.is_awaited = false;
        }
    }
}
