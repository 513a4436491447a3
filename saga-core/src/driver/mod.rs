//! Runs one saga: feeds the machine with what happens, and does what it says.
//!
//! One saga is one task. Its calls are futures of that task; nothing is spawned for a node, and no lock
//! is held across an await.

mod append;
mod blocking;
mod call;
mod calls;
mod current_call;
mod events;
mod in_flight;
mod nesting;
mod permits;
mod progress;
mod store_health;
mod transaction;
mod values;

use std::future::poll_fn;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::{Clock, Lead};
use crate::context::RunInfo;
use crate::error::ActionError;
use crate::log::{ActionState, Answer, Command, Failure, NodePath, Payload, Refusal, Uuid};
use crate::machine::{Effect, Event, Finish, Machine, VertexId};
use crate::store::{SagaRecord, Store, StoreError, WorkerId};
use crate::value::ActionOutput;
use call::Calls;
pub(crate) use current_call::{before_telling_of_shutdown, wait_for};
pub use events::{Events, MissedEvents, SagaEvent};
pub(crate) use events::{Observers, WeakObservers};
use in_flight::{InFlight, Wakeup};
pub(crate) use permits::Bounds;
pub(crate) use progress::{ProgressChannel, ProgressChannels, SagaProgress, SagaResult};
pub(crate) use store_health::StoreHealth;
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
pub(crate) type Reply = Result<Answer, crate::error::SagaError>;

/// What all sagas of a coordinator share.
pub(crate) struct Environment<C> {
    pub(crate) user: Arc<C>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) worker: WorkerId,
    pub(crate) clock: Arc<Clock>,
    pub(crate) limits: crate::limits::Limits,
    pub(crate) bounds: Bounds,
    pub(crate) observers: Observers,
    pub(crate) store_health: StoreHealth,
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
pub(crate) enum RunEnd {
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
    pub(crate) track: Arc<ProgressChannel>,
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
    ) -> RunEnd {
        let mut in_flight = InFlight::default();
        let asked = asked.into_iter().filter_map(|asked| self.hear(asked, &mut in_flight));
        let asked = asked.collect::<Vec<_>>();
        let first = first.into_iter().chain(asked);
        in_flight.todo = self.step(first).into();
        let mut cut = Vec::new();
        loop {
            while let Some(effect) = in_flight.todo.pop_front() {
                if let Effect::Finish(finish) = effect {
                    if created.borrow().is_none() {
                        if let Some(error) = in_flight.store_error.take() {
                            // it is not there, and nobody has a handle of it
                            created.send_replace(Some(Creation::Failed(error.clone())));
                            return RunEnd::NotCreated(error);
                        }
                        self.is_created(created);
                    }
                    if let Some(error) = in_flight
                        .store_error
                        .take_if(|e| self.is_over_for_now(e, in_flight.stopped))
                    {
                        let saga = self.run.id.clone();
                        in_flight.give_up(&crate::error::SagaError::Store {
                            saga,
                            source: error.clone(),
                        });
                        return RunEnd::StoreFailed { error, got_on: in_flight.got_on };
                    }
                    // after a failed append the state is ahead of the log
                    if !matches!(finish, Finish::Failed | Finish::Broken(_)) {
                        in_flight.hold(|id| self.machine.state().is_held(id));
                    }
                    self.finish(finish, &mut in_flight);
                    return RunEnd::Through { cut };
                }
                self.perform(effect, &mut in_flight);
            }
            self.begin_transaction(&mut in_flight);
            // gives way to other tasks now and then, however much is ready here
            tokio::task::coop::consume_budget().await;
            let woken = poll_fn(|task| in_flight.poll(control, task)).await;
            match &woken {
                Wakeup::Appended(answer) => self.env.store_health.note(answer),
                Wakeup::Transacted(answer) => self.env.store_health.note(answer),
                _ => {}
            }
            let mut event = match woken {
                Wakeup::Appended(Ok(None)) => {
                    in_flight.got_on |= in_flight.gets_on;
                    if created.borrow().is_none() {
                        self.is_created(created);
                    }
                    self.observe(&mut in_flight);
                    self.report_status();
                    in_flight.answer();
                    vec![Event::Appended]
                }
                Wakeup::Appended(Ok(Some(existing))) => {
                    return RunEnd::Exists(existing.into());
                }
                Wakeup::Appended(Err(error)) => {
                    in_flight.store_error = Some(error);
                    vec![Event::AppendFailed]
                }
                Wakeup::Ended(ended) => self.all_ended(ended, &mut in_flight),
                Wakeup::Granted(granted) => {
                    granted.into_iter().map(|vertex| Event::PermitGranted { vertex }).collect()
                }
                Wakeup::TransactionRequested => Vec::new(),
                Wakeup::Transacted(result) => self.transacted(result, &mut in_flight),
                Wakeup::Tick => vec![Event::Tick],
                Wakeup::Control(Control::Drain) => vec![Event::Drain],
                Wakeup::Control(Control::Operate(asked)) => {
                    self.hear(asked, &mut in_flight).into_iter().collect()
                }
                Wakeup::Control(Control::Stop(heard)) => {
                    // nobody may be waiting for it
                    let _ = heard.send(());
                    cut.extend(self.cut(&in_flight.calls));
                    in_flight.calls = Calls::default();
                    in_flight.timer = None;
                    // an append that is under way may be in or not: its answer is waited for
                    in_flight.stopped = true;
                    Vec::new()
                }
            };
            if in_flight.transactions.hold(&mut event, in_flight.append.is_some()) {
                continue;
            }
            let mut effects = self.step(event);
            if in_flight.stopped && in_flight.append.is_none() {
                // nothing more is begun; but if that was the last entry, the saga has ended
                effects.retain(|effect| matches!(effect, Effect::Finish(_)));
                if effects.is_empty() {
                    self.let_go(&mut in_flight);
                    return RunEnd::Through { cut };
                }
            }
            in_flight.todo.extend(effects);
            if in_flight.waits_in_vain() {
                cut.extend(self.cut(&in_flight.calls));
                in_flight.stopped = true;
                self.let_go(&mut in_flight);
                return RunEnd::Through { cut };
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

    fn perform(&mut self, effect: Effect, in_flight: &mut InFlight) {
        if in_flight.decides {
            // what is computed of it is asked for before its entry is written
            self.values.fill(self.machine.state(), self.machine.unwritten());
        }
        self.values.follow(self.machine.state());
        match effect {
            Effect::Append { entries, answers } => self.write(entries, answers, in_flight),
            Effect::Answer(id, answer) => in_flight.tell(id, &answer),
            Effect::RequestPermit(vertex) => {
                let action = self.values.action(&self.machine, vertex);
                let name = action.as_ref().map_or("", |action| action.name().as_str());
                in_flight.permits.want(&self.run.id, vertex, name, &self.env.bounds);
            }
            Effect::ReleasePermit(vertex) => in_flight.permits.free(vertex),
            Effect::RunAction(call) => self.start(call, false, in_flight),
            Effect::RunUndo(call) => self.start(call, true, in_flight),
            Effect::Compute(vertex) => {
                let value = self.values.compute(&self.machine, vertex, |call| self.context(call));
                let value = value.and_then(|output| self.keep(vertex, output));
                let event = Event::Computed { vertex, value };
                in_flight.todo.extend(self.step([event]));
            }
            Effect::Choose(vertex) => {
                let choice = self.values.choose(&self.machine, vertex);
                let event = Event::Chosen { vertex, choice };
                in_flight.todo.extend(self.step([event]));
            }
            Effect::SignalCancel => self.run.cancel.set(),
            Effect::DropCall(vertex) => in_flight.calls.drop_call(vertex),
            Effect::WakeAt(time) => {
                in_flight.timer = Some(Box::pin(self.env.clock.until(time)));
            }
            Effect::Overdue => self.say_overdue(),
            Effect::Finish(_) => {}
        }
    }

    /// What the machine is told about a request; nothing, if it is answered here.
    fn hear(&self, asked: Asked, in_flight: &mut InFlight) -> Option<Event> {
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
        Some(in_flight.ask(asked))
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

    fn finish(&mut self, finish: Finish, in_flight: &mut InFlight) {
        self.values.follow(self.machine.state());
        let id = &self.run.id;
        let outcome = match finish {
            Finish::Ended(status) => self.values.outcome(&self.machine, id, status),
            Finish::Parked { reason } => {
                Err(crate::error::SagaError::Parked { saga: id.clone(), reason })
            }
            Finish::Drained => Err(crate::error::SagaError::ShutDown { saga: id.clone() }),
            Finish::Failed => {
                self.let_go(in_flight);
                return;
            }
            Finish::Broken(why) => Err(crate::error::SagaError::Corrupt { saga: id.clone(), why }),
        };
        self.track.end(Some(self.machine.status()), outcome);
    }

    /// True if the store may work later, and the saga goes on then.
    fn is_over_for_now(&self, error: &StoreError, stopped: bool) -> bool {
        self.env.reloads && error.may_pass() && !stopped
    }

    /// This process stops running the saga, which has not ended.
    fn let_go(&self, in_flight: &mut InFlight) {
        let saga = self.run.id.clone();
        let error = match in_flight.store_error.take() {
            // what a shutdown has released is not this process's any more
            _ if in_flight.stopped => crate::error::SagaError::ShutDown { saga },
            None => crate::error::SagaError::ShutDown { saga },
            Some(StoreError::Fenced { .. }) => crate::error::SagaError::LostOwnership { saga },
            Some(source) => crate::error::SagaError::Store { saga, source },
        };
        in_flight.give_up(&error);
        self.track.end(None, Err(error));
    }
}
