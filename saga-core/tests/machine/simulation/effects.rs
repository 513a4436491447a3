//! Carries out the effects that the machine asks for in a run, and loses them when the process dies.

use saga_core::action::UndoContract;
use saga_core::dag::PlanKind;
use saga_core::log::{Entry, NodeEntry, SagaEntry, Timestamp, Uuid};
use saga_core::machine::{AuthorizedCall, Effect, Event, Finish, SagaState, VertexId};
use saga_core::operator::Answer;

use super::bench::step_all;
use super::run::{Flight, Issued, Runner};
use super::world::{Contract, Fate};

impl Runner {
    /// The process is gone; `keep` entries of its last append are on disk.
    pub(super) fn die(&mut self, keep: usize) {
        let (batch, answers) = self.pending.take().unwrap_or_default();
        if self.tape.chance(80) {
            // it lives to see that the append failed
            let effects = self.machine.step(self.now, Event::AppendFailed);
            assert_eq!(effects.last(), Some(&Effect::Finish(Finish::Failed)));
            // and perhaps calls that have ended, if it had not come to look at their ends
            let drops = |f: &Flight| effects.contains(&Effect::DropCall(f.vertex));
            assert!(self.flights.iter().all(drops), "goes on: {effects:?}");
            assert_eq!(self.machine.step(self.now, Event::Appended), []);
        }
        if keep >= batch.len() {
            // a request is answered in the transaction of the append
            answers.into_iter().for_each(|(id, answer)| self.answered(id, answer));
        }
        self.log.extend(batch.into_iter().take(keep));
        self.questions.clear();
        self.wanting.clear();
        self.granted.clear();
        self.finish = None;
        for flight in std::mem::take(&mut self.flights) {
            self.orphan(flight);
        }
        self.now.0 += u64::from(self.tape.byte());
        self.dead = true;
    }

    pub(super) fn orphan(&mut self, flight: Flight) {
        let what = if flight.undo { None } else { Some(self.outcome()) };
        let fate = [Fate::Delivered, Fate::Lost, Fate::Late][self.tape.pick(3)];
        self.world.orphan(&flight.path, flight.contract, what, fate);
    }

    pub(super) fn feed(&mut self, events: Vec<Event>) {
        self.fed.extend(events.iter().cloned());
        for effect in step_all(&mut self.machine, self.now, events) {
            self.follow(effect);
            if self.dead {
                return;
            }
        }
        let idle = self.flights.is_empty() && self.pending.is_none() && self.questions.is_empty();
        let waits = !self.wanting.is_empty() || self.machine.state().is_paused();
        if idle && self.finish.is_none() && !waits {
            assert!(self.machine.wake_at().is_some() && self.wake.is_some(), "{:#?}", self.machine);
        }
    }

    pub(super) fn follow(&mut self, effect: Effect) {
        match effect {
            Effect::Append { entries: batch, answers } => self.append(batch, answers),
            Effect::Answer(id, answer) => self.answered(id, answer),
            Effect::RequestPermit(vertex) => {
                assert!(self.setup.config.permits && !self.draining);
                assert!(!self.wanting.contains(&vertex) && !self.granted.contains(&vertex));
                self.wanting.push(vertex);
            }
            Effect::ReleasePermit(vertex) => self.free(vertex),
            Effect::RunAction(call) => self.issue(call, false),
            Effect::RunUndo(call) => self.issue(call, true),
            Effect::Choose(vertex) => self.questions.push((vertex, true)),
            Effect::Compute(vertex) => self.questions.push((vertex, false)),
            Effect::SignalCancel => assert!(self.unwinding_since().is_some()),
            Effect::DropCall(vertex) => {
                let since = self.unwinding_since().expect("only when it unwinds");
                assert!(self.now >= since.after(self.setup.config.abandon_after));
                let i = self.flights.iter().position(|f| f.vertex == vertex && !f.undo);
                let flight = self.flights.remove(i.expect("only what is in flight"));
                self.orphan(flight);
            }
            Effect::Overdue => {
                let deadline = self.setup.config.deadline.expect("there is one");
                assert!(self.now >= deadline && self.machine.state().past_pivot());
                assert!(self.unwinding_since().is_none());
            }
            Effect::WakeAt(at) => {
                self.wake = Some(at);
            }
            Effect::Finish(finish) => {
                assert!(self.pending.is_none() && self.flights.is_empty());
                assert!(self.wanting.is_empty() && self.granted.is_empty());
                assert_eq!(self.machine.step(self.now, Event::Tick), []);
                self.finish = Some(finish);
            }
        }
    }

    pub(super) fn free(&mut self, vertex: VertexId) {
        let before = self.wanting.len() + self.granted.len();
        self.wanting.retain(|v| *v != vertex);
        self.granted.retain(|v| *v != vertex);
        assert_eq!(self.wanting.len() + self.granted.len() + 1, before, "no slot to free");
    }

    pub(super) fn unwinding_since(&self) -> Option<Timestamp> {
        let entry =
            self.log.iter().rfind(|e| matches!(e.saga_entry(), Some(SagaEntry::Unwinding(_))));
        entry.map(|entry| entry.at)
    }

    pub(super) fn append(&mut self, batch: Vec<Entry>, answers: Vec<(Uuid, Answer)>) {
        assert!(self.pending.is_none());
        let starts =
            |e: &Entry| matches!(e.node_entry(), Some(NodeEntry::Started | NodeEntry::UndoStarted));
        assert!(!self.draining || !batch.iter().any(starts), "starts while it drains: {batch:#?}");
        let all = self.log.iter().chain(&batch).cloned().collect::<Vec<_>>();
        let folded = SagaState::fold(self.setup.plan.clone(), &all).unwrap();
        assert!(
            folded == *self.machine.state(),
            "the live state is another than the log's: {all:#?}"
        );
        let durable = self.log.len() as u64;
        let keep = self.setup.die_at.map(|at| at.saturating_sub(durable));
        self.pending = Some((batch, answers));
        if let Some(keep) = keep
            && keep <= all.len() as u64 - durable
        {
            self.setup.die_at = None;
            self.die(keep as usize);
        }
    }

    pub(super) fn issue(&mut self, call: AuthorizedCall, undo: bool) {
        let state = self.machine.state();
        let path = state.path(call.vertex).to_string();
        let Some(PlanKind::Action(policy)) = state.kind(call.vertex) else {
            panic!("{path} is not an action")
        };
        let contract = Contract::from(*policy);
        if undo && contract.undo == UndoContract::Output {
            let stored = self.log.iter().any(|e| {
                e.node().is_some_and(|n| n.as_str() == path)
                    && matches!(e.node_entry(), Some(NodeEntry::Succeeded(_)))
            });
            assert!(stored || self.machine.output_is_kept(call.vertex), "{path}: no output");
        }
        // whoever resolved a node took care of its effect
        let resolved = |path: &str| {
            state.resolve(path).and_then(|v| state.node(v)).is_some_and(|n| n.resolved)
        };
        let left = self.world.receivers.keys().filter(|path| self.world.left(path));
        let effects = left.filter(|path| !resolved(path)).cloned().collect();
        let durable = self.log.len() as u64;
        if self.setup.config.permits {
            let i = self.granted.iter().position(|v| *v == call.vertex);
            self.granted.remove(i.expect("a slot for the call"));
        }
        let repeat = call.repeat;
        assert!(repeat > 0);
        self.flights.push(Flight {
            vertex: call.vertex,
            path: path.clone(),
            contract,
            undo,
            repeat,
        });
        self.issued.push(Issued { durable, call, path, undo, effects });
        let max = self.setup.config.max_concurrency.unwrap_or(usize::MAX);
        assert!(self.flights.len() <= max, "more than {max} calls in flight");
    }
}
