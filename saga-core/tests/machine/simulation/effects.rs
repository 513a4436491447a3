//! Carries out the effects that the machine asks for in a run, and loses them when the process dies.

use saga_core::action::UndoContract;
use saga_core::dag::PlanKind;
use saga_core::log::{Entry, NodeEntry, SagaEntry, Timestamp, Uuid, since_migration};
use saga_core::machine::{AuthorizedCall, Effect, Event, Finish, SagaState, VertexId};
use saga_core::operator::{Answer, Command};

use super::bench::step_all;
use super::law::Law;
use super::run::{Flight, Issued, Kind, Question, Runner};
use super::world::{Contract, Fate, Site};

impl Runner {
    /// The process is gone; `keep` entries of its last append are on disk.
    pub(super) fn die(&mut self, keep: usize) {
        self.commits_before_it_dies();
        let (batch, answers) = self.pending.take().unwrap_or_default();
        if self.tape.chance(80) {
            // it lives to see that the append failed
            let effects = self.machine.step(self.now, Event::AppendFailed);
            let stops = effects.last() == Some(&Effect::Finish(Finish::Failed));
            // and perhaps calls that have ended, if it had not come to look at their ends
            let drops = |f: &Flight| effects.contains(&Effect::DropCall(f.vertex));
            let drops = self.flights.iter().all(drops);
            let silent = self.machine.step(self.now, Event::Appended).is_empty();
            Law::StopsAfterFailedAppend
                .holds(stops && drops && silent, || format!("goes on: {effects:?}"));
        }
        if keep >= batch.len() {
            // a request is answered in the transaction of the append
            answers.into_iter().for_each(|(id, answer)| self.answered(id, answer));
        }
        self.durable(batch.into_iter().take(keep).collect());
        self.questions.clear();
        self.wanting.clear();
        self.granted.clear();
        (self.finish, self.told) = (None, None);
        self.told_of.clear();
        for flight in std::mem::take(&mut self.flights) {
            self.orphan(flight);
        }
        self.now.0 += u64::from(self.tape.byte());
        self.dead = true;
    }

    pub(super) fn orphan(&mut self, flight: Flight) {
        let what = self.late_call(flight.kind);
        let fate = [Fate::Delivered, Fate::Lost, Fate::Late][self.tape.pick(3)];
        self.world.orphan(flight.site, what, fate);
    }

    pub(super) fn feed(&mut self, events: Vec<Event>) {
        self.fed.extend(events.iter().cloned());
        for effect in step_all(&mut self.machine, self.now, events) {
            self.follow(effect);
            if self.dead {
                return;
            }
        }
        self.knows_when_to_wake();
    }

    /// A saga that has nothing under way knows when it goes on, and one whose actions may be dropped knows when.
    fn knows_when_to_wake(&mut self) {
        if self.pending.is_some() || !self.questions.is_empty() || self.finish.is_some() {
            return;
        }
        let waits = !self.wanting.is_empty() || self.machine.state().is_paused();
        let sleeps = self.machine.wake_at().is_some() && self.wake.is_some();
        self.timers_wake();
        let goes_on = !self.flights.is_empty() || waits || sleeps || self.waits_for_event();
        Law::EndsAtLast.holds(goes_on, || format!("{:#?}", self.machine));
        let forward =
            self.flights.iter().filter(|flight| flight.kind == Kind::Action && !flight.unwinding);
        for flight in forward {
            let scope = self.scope_unwinding_since(&flight.site.path).is_some();
            if self.unwinding_since().is_none() && !scope {
                continue;
            }
            let told = [self.told, self.told_of.get(&flight.vertex).copied()];
            let told = told.into_iter().flatten().min();
            Law::CancelIsTold.holds(told.is_some(), || format!("{flight:?}"));
            let latest = told.map(|at| at.after(self.setup.config.abandon_after));
            let wakes = self.wake.is_some_and(|at| Some(at) <= latest);
            Law::AbandonAfter.holds(wakes, || format!("{:?}, not {latest:?}", self.wake));
        }
    }

    pub(super) fn follow(&mut self, effect: Effect) {
        match effect {
            Effect::Append { entries: batch, answers } => self.append(batch, answers),
            Effect::Answer(id, answer) => {
                let logged = self.log.iter().any(|e| matches!(e.saga_entry(), Some(SagaEntry::Requested { id: i, .. }) if *i == id));
                let durable = logged || answer != Answer::Done;
                Law::AnsweredWhenDurable.holds(durable, || format!("{answer:?} to {id}"));
                self.answered(id, answer);
            }
            Effect::RequestPermit(vertex) => {
                Law::DrainStartsNothing.holds(!self.draining, || format!("asks for {vertex}"));
                let again = self.wanting.contains(&vertex) || self.granted.contains(&vertex);
                let needed = self.setup.config.permits && !again;
                Law::PermitsBalance.holds(needed, || format!("{vertex} is asked for"));
                self.wanting.push(vertex);
            }
            Effect::ReleasePermit(vertex) => self.free(vertex),
            Effect::RunAction(call) => self.issue(call, Kind::Action),
            Effect::RunUndo(call) => self.issue(call, Kind::Undo),
            Effect::Probe(call) => self.issue(call, Kind::Probe),
            Effect::Choose(vertex) => self.questions.push((vertex, Question::Choice)),
            Effect::Compute(vertex) => self.questions.push((vertex, Question::Value)),
            Effect::Times(vertex) => self.questions.push((vertex, Question::Times)),
            Effect::SignalCancel => {
                let unwinds = self.unwinding_since().is_some();
                Law::CancelIsTold.holds(unwinds, || "before `unwinding` is durable".into());
                self.told = Some(self.now);
            }
            Effect::SignalCancelOf(vertex) => {
                let path = self.machine.state().path(vertex).to_string();
                let unwinds = self.scope_unwinding_since(&path).is_some();
                Law::CancelIsTold.holds(unwinds, || format!("{path} is told"));
                self.told_of.entry(vertex).or_insert(self.now);
            }
            Effect::DropCall(vertex) => {
                let path = self.machine.state().path(vertex).to_string();
                let since = [self.unwinding_since(), self.scope_unwinding_since(&path)];
                let since = since.into_iter().flatten().min();
                let due = since.map(|since| since.after(self.setup.config.abandon_after));
                let i =
                    self.flights.iter().position(|f| f.vertex == vertex && f.kind == Kind::Action);
                let late = due.is_some_and(|due| self.now >= due);
                Law::AbandonAfter
                    .holds(late && i.is_some(), || format!("{vertex} at {:?}: {due:?}", self.now));
                let flight = self.flights.remove(i.expect("only what is in flight"));
                self.orphan(flight);
            }
            Effect::Overdue => {
                let late = self.setup.config.deadline.is_some_and(|at| self.now >= at);
                let forward = self.machine.state().past_pivot() && self.unwinding_since().is_none();
                Law::DeadlineHolds.holds(late && forward, || "overdue".into());
            }
            Effect::WakeAt(at) => {
                self.wake = Some(at);
            }
            Effect::Finish(finish) => {
                if let Finish::Broken(why) = &finish {
                    Law::OwnEntriesAreLegal.is_broken(format!("{why} after {:#?}", self.log));
                }
                let over = self.pending.is_none() && self.flights.is_empty();
                Law::EndIsTrue.holds(over, || format!("{finish:?} with {:?}", self.flights));
                let free = self.wanting.is_empty() && self.granted.is_empty();
                Law::PermitsBalance.holds(free, || format!("{finish:?} with permits"));
                let silent = self.machine.step(self.now, Event::Tick).is_empty();
                Law::EndIsTrue.holds(silent, || format!("goes on after {finish:?}"));
                self.finish = Some(finish);
            }
        }
    }

    pub(super) fn free(&mut self, vertex: VertexId) {
        let before = self.wanting.len() + self.granted.len();
        self.wanting.retain(|v| *v != vertex);
        self.granted.retain(|v| *v != vertex);
        let one = self.wanting.len() + self.granted.len() + 1 == before;
        Law::PermitsBalance.holds(one, || format!("{vertex} has no permit to release"));
    }

    pub(super) fn unwinding_since(&self) -> Option<Timestamp> {
        let entry =
            self.log.iter().rfind(|e| matches!(e.saga_entry(), Some(SagaEntry::Unwinding(_))));
        entry.map(|entry| entry.at)
    }

    /// When the first of the scopes that a node stands in began to unwind.
    fn scope_unwinding_since(&self, path: &str) -> Option<Timestamp> {
        let around = |entry: &&Entry| {
            let Some(NodeEntry::ScopeUnwinding(_)) = entry.node_entry() else { return false };
            let inside = entry.node().and_then(|node| path.strip_prefix(node.as_str()));
            let inside = inside.and_then(|rest| rest.strip_prefix("#0"));
            inside.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '[', '#']))
        };
        since_migration(&self.log).iter().find(around).map(|entry| entry.at)
    }

    pub(super) fn append(&mut self, batch: Vec<Entry>, answers: Vec<(Uuid, Answer)>) {
        let this = || format!("{batch:#?}");
        Law::OneAppendAtATime.holds(self.pending.is_none(), this);
        let starts =
            |e: &Entry| matches!(e.node_entry(), Some(NodeEntry::Started | NodeEntry::UndoStarted));
        Law::DrainStartsNothing.holds(!self.draining || !batch.iter().any(starts), this);
        let own = batch.iter().all(|entry| entry.epoch == self.epoch);
        Law::EntriesHaveTheirEpoch.holds(own, this);
        let granted = self.flights.is_empty() || !batch.iter().any(needs_no_calls);
        Law::GrantedWithoutCalls.holds(granted, || format!("{:?}: {}", self.flights, this()));
        let all = self.log.iter().chain(&batch).cloned().collect::<Vec<_>>();
        let folded = SagaState::fold(self.setup.plan.clone(), &all);
        let folded = folded.unwrap_or_else(|why| Law::LogIsLegal.is_broken(why));
        let same = folded == *self.machine.state();
        Law::LiveStateIsTheLogs.holds(same, || format!("it is another: {all:#?}"));
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

    pub(super) fn issue(&mut self, call: AuthorizedCall, kind: Kind) {
        let undo = kind == Kind::Undo;
        let state = self.machine.state();
        let path = state.path(call.vertex).to_string();
        let Some(PlanKind::Action(policy)) = state.kind(call.vertex) else {
            panic!("{path} is not an action")
        };
        let contract = Contract::from(*policy);
        if kind == Kind::Probe {
            Law::AskedFirst.holds(contract.probe, || format!("{path} cannot be asked"));
        }
        if undo && contract.undo == UndoContract::Output {
            let stored = since_migration(&self.log).iter().any(|e| {
                e.node().is_some_and(|n| n.as_str() == path)
                    && matches!(e.node_entry(), Some(NodeEntry::Succeeded(_)))
            });
            let known = stored || self.machine.output_is_kept(call.vertex);
            Law::UndoTable.holds(known, || format!("{path} is undone without its output"));
        }
        // whoever resolved a node took care of its effect
        let nodes = if undo { state.nodes() } else { Vec::new() };
        let nodes = nodes.into_iter().filter(|node| !node.resolved);
        let paths = nodes.map(|node| node.path.to_string());
        let effects = paths.filter(|path| self.world.left(path)).collect();
        let durable = self.log.len() as u64;
        if self.setup.config.permits {
            let i = self.granted.iter().position(|v| *v == call.vertex);
            Law::PermitsBalance.holds(i.is_some(), || format!("{path} is called without one"));
            i.map(|i| self.granted.remove(i));
        }
        let repeat = call.repeat;
        assert!(repeat > 0);
        let authorized = self.log.iter().any(|entry| {
            let starts = match entry.node_entry() {
                Some(NodeEntry::Started) => !undo,
                Some(NodeEntry::UndoStarted) => undo,
                _ => false,
            };
            let own = entry.node().is_some_and(|node| node.as_str() == path);
            starts && own && (entry.seq, entry.attempt()) == (call.seq, call.attempt)
        });
        let key = self.world.key(&path);
        self.versions.calls(&path, &key);
        let authorized = authorized || kind == Kind::Probe;
        Law::DurableBeforeCalled.holds(authorized, || format!("{path}: {call:?}"));
        let again = self.flights.iter().any(|flight| flight.vertex == call.vertex);
        Law::OneCallPerNode.holds(!again, || format!("{path}: {call:?}"));
        self.flights.push(Flight {
            vertex: call.vertex,
            site: Site { path: path.clone(), generation: call.generation, contract },
            kind,
            unwinding: call.unwinding,
            repeat,
        });
        self.issued.push(Issued { durable, call, path, kind, effects });
        let max = self.setup.config.max_concurrency.unwrap_or(usize::MAX);
        let room = self.flights.len() <= max;
        Law::MaxConcurrency.holds(room, || format!("more than {max} calls in flight"));
    }
}

/// True for the grant of a request whose outcome a call in flight could contradict.
fn needs_no_calls(entry: &Entry) -> bool {
    let Some(SagaEntry::Requested { command, .. }) = entry.saga_entry() else { return false };
    matches!(
        **command,
        Command::Resolve { .. }
            | Command::RetryUndo { .. }
            | Command::RetryAll
            | Command::Decide { .. }
    )
}
