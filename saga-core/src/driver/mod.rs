//! Runs one saga: feeds the machine with what happens, and does what it says.
//!
//! One saga is one task. Its calls are futures of that task; nothing is spawned for a node, and no lock
//! is held across an await.

mod blocking;
mod call;
mod calls;
mod condition;
mod inside;
mod observe;
mod parts;
mod slots;
mod track;
mod transaction;
mod turn;
mod values;
mod write;

use std::future::poll_fn;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use crate::action::ActionOutput;
use crate::clock::{Clock, Lead};
use crate::context::RunInfo;
use crate::error::ActionError;
use crate::log::{ActionState, Answer, Command, Failure, NodePath, Payload, Refusal, Uuid};
use crate::machine::{Effect, Event, Finish, Machine, VertexId};
use crate::store::{SagaRecord, Store, StoreError, WorkerId};
use call::Calls;
pub(crate) use condition::Condition;
pub(crate) use inside::{before_telling_of_shutdown, wait_for};
pub use observe::{Events, MissedEvents, SagaEvent};
pub(crate) use observe::{Observers, Watching};
pub(crate) use slots::Bounds;
pub(crate) use track::{Outcome, Progress, Track, Tracks};
pub(crate) use transaction::Transactions;
#[cfg(feature = "sqlite")]
pub(crate) use transaction::{EndSlot, WorkEnd};
use turn::{Turn, Woken};
pub(crate) use values::{Values, node_report, node_reports, outcome_at_rest};

/// What the coordinator tells a running saga.
pub(crate) enum Control {
    /// Start nothing new.
    Drain,
    /// Drop what is in flight and stop. Whoever asks is told when it was heard.
    Stop(oneshot::Sender<()>),
    /// Do what an operator asks for.
    Operate(Asked),
}

/// A request, and who waits for its answer. A saga that this process lets go of before that drops it.
pub(crate) struct Asked {
    pub(crate) id: Uuid,
    pub(crate) by: String,
    pub(crate) command: Command,
    pub(crate) answer: oneshot::Sender<Reply>,
}

/// The answer to a request, or why the saga stopped before it had one.
pub(crate) type Reply = Result<Answer, crate::SagaError>;

/// What all sagas of a coordinator share.
pub(crate) struct Environment<C> {
    pub(crate) user: Arc<C>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) worker: WorkerId,
    pub(crate) clock: Arc<Clock>,
    pub(crate) limits: crate::limits::Limits,
    pub(crate) bounds: Bounds,
    pub(crate) observers: Observers,
    pub(crate) condition: Condition,
    /// True from the beginning of a shutdown on.
    pub(crate) closing: watch::Sender<bool>,
    /// Sagas that stop because the store fails for a while are loaded again.
    pub(crate) reloads: bool,
    /// How the context is written with each append, where it is state and no handle.
    pub(crate) snapshot: Option<Snapshot<C>>,
}

/// Writes a context down.
pub(crate) type Snapshot<C> = fn(&C) -> Result<Payload, ActionError>;

/// How the first entries of a saga went in.
#[derive(Clone)]
pub(crate) enum Creation {
    /// It is in the store.
    New,
    /// Its id is taken, by this one.
    Exists(Arc<SagaRecord>),
    Failed(StoreError),
}

/// How a task ended.
pub(crate) enum Ran {
    /// This process is done with the saga; a stop cut these nodes off.
    Through {
        /// The nodes.
        cut: Vec<NodePath>,
    },
    /// The new saga's id is taken, by this one: nothing was done, and nothing said to its handles.
    Exists(Arc<SagaRecord>),
    /// The new saga is not in the store, as far as that knows.
    NotCreated(StoreError),
    /// The store failed, and may work later. Nothing was said to the saga's handles.
    StoreFailed {
        /// What the store said.
        error: StoreError,
        /// True if the saga got on before that.
        got_on: bool,
    },
}

/// A saga in flight.
pub(crate) struct Driver<C> {
    pub(crate) env: Arc<Environment<C>>,
    pub(crate) machine: Machine,
    pub(crate) values: Values<C>,
    pub(crate) run: Arc<RunInfo>,
    pub(crate) epoch: u64,
    /// The record of a saga that is not in the store yet.
    pub(crate) new: Option<SagaRecord>,
    /// What its handles look at.
    pub(crate) track: Arc<Track>,
    /// What it has seen of the clock.
    pub(crate) lead: Lead,
}

impl<C: Send + Sync + 'static> Driver<C> {
    /// Runs the saga until it has ended or this process must let go of it. `created` hears once whether
    /// a new saga is in the store.
    pub(crate) async fn run(
        mut self,
        first: Vec<Event>,
        asked: Vec<Asked>,
        created: &watch::Sender<Option<Creation>>,
        control: &mut mpsc::UnboundedReceiver<Control>,
    ) -> Ran {
        let mut turn = Turn::default();
        let asked = asked.into_iter().filter_map(|asked| self.hear(asked, &mut turn));
        let asked = asked.collect::<Vec<_>>();
        let first = first.into_iter().chain(asked);
        turn.todo = self.step(first).into();
        let mut cut = Vec::new();
        loop {
            while let Some(effect) = turn.todo.pop_front() {
                if let Effect::Finish(finish) = effect {
                    if created.borrow().is_none() {
                        if let Some(error) = turn.store_error.take() {
                            // it is not there, and nobody has a handle of it
                            created.send_replace(Some(Creation::Failed(error.clone())));
                            return Ran::NotCreated(error);
                        }
                        self.is_created(created);
                    }
                    if let Some(error) =
                        turn.store_error.take_if(|e| self.is_over_for_now(e, turn.stopped))
                    {
                        let saga = self.run.id.clone();
                        turn.give_up(&crate::SagaError::Store { saga, source: error.clone() });
                        return Ran::StoreFailed { error, got_on: turn.got_on };
                    }
                    // after a failed append the state is ahead of the log
                    if !matches!(finish, Finish::Failed | Finish::Broken(_)) {
                        turn.hold(|id| self.machine.state().is_held(id));
                    }
                    self.finish(finish, &mut turn);
                    return Ran::Through { cut };
                }
                self.perform(effect, &mut turn);
            }
            self.begin_transaction(&mut turn);
            // gives way to other tasks now and then, however much is ready here
            tokio::task::coop::consume_budget().await;
            let woken = poll_fn(|task| turn.poll(control, task)).await;
            match &woken {
                Woken::Appended(answer) => self.env.condition.note(answer),
                Woken::Transacted(answer) => self.env.condition.note(answer),
                _ => {}
            }
            let mut event = match woken {
                Woken::Appended(Ok(None)) => {
                    turn.got_on |= turn.gets_on;
                    if created.borrow().is_none() {
                        self.is_created(created);
                    }
                    self.observe(&mut turn);
                    self.report_status();
                    turn.answer();
                    vec![Event::Appended]
                }
                Woken::Appended(Ok(Some(existing))) => {
                    return Ran::Exists(existing.into());
                }
                Woken::Appended(Err(error)) => {
                    turn.store_error = Some(error);
                    vec![Event::AppendFailed]
                }
                Woken::Ended(ended) => self.all_ended(ended, &mut turn),
                Woken::Granted(granted) => {
                    granted.into_iter().map(|vertex| Event::SlotGranted { vertex }).collect()
                }
                Woken::Wanted => Vec::new(),
                Woken::Transacted(result) => self.transacted(result, &mut turn),
                Woken::Tick => vec![Event::Tick],
                Woken::Control(Control::Drain) => vec![Event::Drain],
                Woken::Control(Control::Operate(asked)) => {
                    self.hear(asked, &mut turn).into_iter().collect()
                }
                Woken::Control(Control::Stop(heard)) => {
                    // nobody may be waiting for it
                    let _ = heard.send(());
                    cut.extend(self.cut(&turn.calls));
                    turn.calls = Calls::default();
                    turn.timer = None;
                    // an append that is under way may be in or not: its answer is waited for
                    turn.stopped = true;
                    Vec::new()
                }
            };
            if turn.transactions.hold(&mut event, turn.append.is_some()) {
                continue;
            }
            let mut effects = self.step(event);
            if turn.stopped && turn.append.is_none() {
                // nothing more is begun; but if that was the last entry, the saga has ended
                effects.retain(|effect| matches!(effect, Effect::Finish(_)));
                if effects.is_empty() {
                    self.let_go(&mut turn);
                    return Ran::Through { cut };
                }
            }
            turn.todo.extend(effects);
            if turn.waits_in_vain() {
                cut.extend(self.cut(&turn.calls));
                turn.stopped = true;
                self.let_go(&mut turn);
                return Ran::Through { cut };
            }
        }
    }

    /// The nodes whose calls are cut off if nobody waits for them any more.
    fn cut(&self, calls: &Calls) -> Vec<NodePath> {
        let vertices = calls.vertices().chain(calls.interrupted().iter().copied());
        vertices.map(|v| self.machine.state().path(v)).collect()
    }

    /// Tells the machine what has happened.
    fn step(&mut self, events: impl IntoIterator<Item = Event>) -> Vec<Effect> {
        let (now, set) = self.env.clock.look(&mut self.lead);
        let set = set.map(|millis| Event::ClockSet { millis });
        self.machine.step_all(now, set.into_iter().chain(events))
    }

    fn perform(&mut self, effect: Effect, turn: &mut Turn) {
        if turn.decides {
            // what is computed of it is asked for before its entry is written
            self.values.fill(self.machine.state(), self.machine.unwritten());
        }
        self.values.follow(self.machine.state());
        match effect {
            Effect::Append { entries, answers } => self.write(entries, answers, turn),
            Effect::Answer(id, answer) => turn.tell(id, &answer),
            Effect::WantSlot(vertex) => {
                let action = self.values.action(&self.machine, vertex);
                let name = action.as_ref().map_or("", |action| action.name().as_str());
                turn.slots.want(&self.run.id, vertex, name, &self.env.bounds);
            }
            Effect::FreeSlot(vertex) => turn.slots.free(vertex),
            Effect::RunAction(call) => self.start(call, false, turn),
            Effect::RunUndo(call) => self.start(call, true, turn),
            Effect::Compute(vertex) => {
                let value = self.values.compute(&self.machine, vertex, |call| self.context(call));
                let value = value.and_then(|output| self.keep(vertex, output));
                let event = Event::Computed { vertex, value };
                turn.todo.extend(self.step([event]));
            }
            Effect::Choose(vertex) => {
                let choice = self.values.choose(&self.machine, vertex);
                let event = Event::Chosen { vertex, choice };
                turn.todo.extend(self.step([event]));
            }
            Effect::SignalCancel => self.run.cancel.set(),
            Effect::DropCall(vertex) => turn.calls.drop_call(vertex),
            Effect::WakeAt(time) => {
                turn.timer = Some(Box::pin(self.env.clock.until(time)));
            }
            Effect::Overdue => self.say_overdue(),
            Effect::Finish(_) => {}
        }
    }

    /// What the machine is told about a request; nothing, if it is answered here.
    fn hear(&self, asked: Asked, turn: &mut Turn) -> Option<Event> {
        if let Command::Decide { node, decision, .. } = &asked.command
            && let Some(output) = decision.output()
            && let Err(why) = call::check_len(node, output.len(), self.env.limits.max_payload)
                .and_then(|()| self.values.check(self.machine.state(), node, &output))
        {
            let _ = asked.answer.send(Ok(Answer::Refused(Refusal::Invalid { why })));
            return None;
        }
        let state = self.machine.state();
        if let Command::Decide { node, .. } = &asked.command
            && let Some(there) = state.resolve(node.as_str()).and_then(|v| state.node(v))
            && there.state == ActionState::Completed
            && !self.values.is_unreadable(&there.path)
        {
            let (node, state) = (there.path, there.state);
            let _ = asked.answer.send(Ok(Answer::Refused(Refusal::NotInDoubt { node, state })));
            return None;
        }
        if let (Command::Unpark, Some(why)) = (&asked.command, self.values.unreadable())
            && self.machine.state().parked().is_some()
        {
            let _ = asked.answer.send(Ok(Answer::Refused(Refusal::Unreadable { why })));
            return None;
        }
        Some(turn.ask(asked))
    }

    /// The value of a computed node, if it is not too large for the log.
    fn keep(&self, vertex: VertexId, output: ActionOutput) -> Result<Payload, Failure> {
        self.space(vertex).check(&output).map_err(|e| e.to_failure(false))?;
        let payload = output.payload.clone();
        self.values.set(&self.machine, vertex, output);
        Ok(payload)
    }

    /// A saga that was there before under this id is so no longer.
    fn is_created(&self, created: &watch::Sender<Option<Creation>>) {
        self.track.begin(self.machine.status());
        created.send_replace(Some(Creation::New));
    }

    fn report_status(&self) {
        self.track.report(self.machine.status());
    }

    fn finish(&mut self, finish: Finish, turn: &mut Turn) {
        self.values.follow(self.machine.state());
        let id = &self.run.id;
        let outcome = match finish {
            Finish::Ended(status) => self.values.outcome(&self.machine, id, status),
            Finish::Parked { reason } => Err(crate::SagaError::Parked { saga: id.clone(), reason }),
            Finish::Drained => Err(crate::SagaError::ShutDown { saga: id.clone() }),
            Finish::Failed => {
                self.let_go(turn);
                return;
            }
            Finish::Broken(why) => Err(crate::SagaError::Corrupt { saga: id.clone(), why }),
        };
        self.track.end(Some(self.machine.status()), outcome);
    }

    /// True if the store may work later, and the saga goes on then.
    fn is_over_for_now(&self, error: &StoreError, stopped: bool) -> bool {
        self.env.reloads && error.may_pass() && !stopped
    }

    /// This process stops running the saga, which has not ended.
    fn let_go(&self, turn: &mut Turn) {
        let saga = self.run.id.clone();
        let error = match turn.store_error.take() {
            // what a shutdown has released is not this process's any more
            _ if turn.stopped => crate::SagaError::ShutDown { saga },
            None => crate::SagaError::ShutDown { saga },
            Some(StoreError::Fenced { .. }) => crate::SagaError::LostOwnership { saga },
            Some(source) => crate::SagaError::Store { saga, source },
        };
        turn.give_up(&error);
        self.track.end(None, Err(error));
    }
}
