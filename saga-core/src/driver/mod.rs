//! Runs one saga: tells its machine what happens, and does what the machine decides.
//!
//! One saga is one task. The task sleeps until something happens (an append is durable, a call has ended, an
//! operator asks for something, time has passed), passes that on to the machine as [`Event`]s, and carries out
//! the [`Effect`]s that the machine answers with. Calls are futures of the same task: no node costs a spawned
//! task, and no lock is held across an await.
//!
//! A driver begins with [`Driver::create`] or [`Driver::recover`], and [`Driver::run`] is its loop. What the
//! loop waits for is in `task_state`; what it does is in `append`, `call`, `transaction` and `requests`.
//! `values` and `nesting` keep the decoded parameters and outputs, which the machine knows nothing about.

mod append;
mod call;
mod create;
mod current_call;
mod dags;
mod environment;
#[cfg_attr(not(feature = "testing"), path = "no_evaluations.rs")]
mod evaluations;
mod events;
#[cfg_attr(not(feature = "metrics"), path = "no_histograms.rs")]
mod histograms;
mod lease;
mod leave;
mod link;
mod nesting;
mod parts_output;
mod permits;
mod progress;
mod recover;
mod report;
mod requests;
mod store_health;
mod stuck;
mod task_state;
#[cfg_attr(not(feature = "opentelemetry"), path = "no_trace_links.rs")]
mod trace_links;
mod transaction;
mod undo_inputs;
mod unreadable;
mod values;
mod waits;

use std::future::poll_fn;
use std::sync::Arc;

use crate::clock::ClockView;
use crate::context::RunInfo;
use crate::crash_points::crash_point;
use crate::error::SagaError;
use crate::log::{Failure, Payload, SagaId, Uuid};
use crate::machine::{Effect, Event, Finish, Machine, VertexId};
use crate::planted::{Mistake, planted};
use crate::store::{SagaRecord, StoreError};
use crate::value::ActionOutput;
pub(crate) use call::CallKind;
#[cfg(feature = "testing")]
pub(crate) use call::{
    CallFaults, CallPlan, FaultEffect, FaultyCall, InjectedFailure, MockedAction,
};
pub(crate) use create::NewRun;
pub(crate) use current_call::{before_telling_of_shutdown, wait_for};
pub(crate) use environment::{Environment, Snapshot};
use evaluations::Evaluations;
pub use events::{EventKind, Events, MissedEvents, SagaEvent};
pub(crate) use events::{Observers, WeakObservers};
use histograms::{CreationTime, Stopwatch};
pub(crate) use lease::Lease;
pub(crate) use leave::Leaving;
pub(crate) use link::{Control, Creation, DriverLink, TaskLink};
pub use permits::LimitedAction;
pub(crate) use permits::{CallLimits, ShareTerms};
pub(crate) use progress::{ProgressChannel, ProgressChannels, SagaProgress, SagaResult};
pub(crate) use recover::StoredRun;
pub(crate) use report::{node_report, node_reports, result_of_failed};
pub(crate) use requests::{Heard, HeldAnswer, PendingAnswer, PendingRequest};
pub(crate) use store_health::StoreHealth;
pub(crate) use stuck::StuckBy;
use task_state::{TaskState, Wakeup};
use trace_links::{Origin, saga_span};
pub(crate) use unreadable::{UnreadableValue, decoder_message, unreadable_output};
pub(crate) use values::Values;

/// Why a driver stopped.
pub(crate) enum RunEnd {
    /// This process is done with the saga.
    Done,
    /// The id of the new saga is taken, by this saga. Nothing was done, and its handles were told nothing.
    Exists(Arc<SagaRecord>),
    /// The new saga is not in the store, as far as anybody knows.
    NotCreated { error: StoreError, run_key: Uuid },
    /// Another process of a shared store owns the saga. Its handles were told nothing.
    Lost,
    /// The saga may go on under another version. Its handles were told nothing.
    Settled,
    /// The saga only waits, for so long that it is not worth its memory. Its handles were told nothing.
    OnlyWaits(Box<Leaving>),
    /// The store failed, and may recover. The handles of the saga were told nothing.
    StoreFailed { error: StoreError, made_progress: bool },
}

/// A saga that is being run.
pub(crate) struct Driver {
    env: Arc<Environment>,
    machine: Machine,
    values: Values,
    run: Arc<RunInfo>,
    epoch: u64,
    /// What the machine is told first.
    first: Vec<Event>,
    /// True as long as the store has not been asked to create the saga.
    is_new: bool,
    created_at: CreationTime,
    origin: Origin,
    /// What the handles of the saga see.
    progress: Arc<ProgressChannel>,
    clock: ClockView,
}

impl Driver {
    /// The span of the saga in this process, linked to the span that started it.
    pub(crate) fn span(&self, id: &SagaId) -> tracing::Span {
        let span = saga_span(id, self.values.name());
        self.origin.link(&span);
        span
    }

    /// Runs the saga until it has ended or this process must stop running it. `link` is told once whether a new
    /// saga is in the store.
    pub(crate) async fn run(
        mut self: Box<Self>,
        requests: Vec<PendingRequest>,
        link: &TaskLink,
    ) -> RunEnd {
        // borrowed by what is in flight
        let (env, dag) = (self.env.clone(), self.values.root().dag.clone());
        let mut task = TaskState::new(&env, &dag);
        task.created = link.is_creation_known();
        if planted(Mistake::AcknowledgedBeforeDurable) && !task.created {
            self.report_created(link, &mut task);
        }
        let mut events = std::mem::take(&mut self.first);
        events.extend(requests.into_iter().filter_map(|request| self.accept(request, &mut task)));
        self.step(&mut events, &mut task);
        loop {
            while !task.effects.is_empty() {
                self.follow(&task);
                let mut effects = std::mem::take(&mut task.effects);
                for effect in effects.drain(..) {
                    if let Effect::Finish(finish) = effect {
                        return self.finish(finish, task, link);
                    }
                    if let Some(error) = self.may_not_begin(&effect, &mut task) {
                        return self.lease_ended(error, task);
                    }
                    // it may lead to more effects, which come after these
                    self.perform(effect, &mut task);
                }
                if task.effects.is_empty() {
                    // its room is used again
                    task.effects = effects;
                }
            }
            self.begin_transaction(&mut task);
            self.linger(&mut task);
            let wakeup = poll_fn(|cx| task.poll(link, &mut self.clock, cx)).await;
            if let Wakeup::Control(Control::LeaseEnded) = wakeup {
                match self.env.lease.as_ref().filter(|_| task.created) {
                    // even if it was renewed since: another process may have taken the saga over in between
                    Some(lease) => return self.lease_ended(lease.error(), task),
                    // it is not known whether the saga is in the store; no call begins in either case
                    None => continue,
                }
            }
            if let Wakeup::Lingered = wakeup {
                return RunEnd::OnlyWaits(self.leaving().into());
            }
            if let Err(existing) = self.events_after(wakeup, &mut task, link, &mut events) {
                return RunEnd::Exists(existing.into());
            }
            if task.transactions.hold(&mut events, task.append.is_some()) {
                continue;
            }
            self.step(&mut events, &mut task);
            if task.stopped && task.append.is_none() {
                // nothing new is begun; but if that was the last entry, the saga has ended
                task.effects.retain(|effect| matches!(effect, Effect::Finish(_)));
                if task.effects.is_empty() {
                    return self.release(task);
                }
            }
            if task.only_interrupted_calls_left() {
                self.interrupt_calls(&mut task, link);
                return self.release(task);
            }
        }
    }

    /// Adds what the machine is told after the task was woken. `Err` if the id of a new saga is taken.
    fn events_after(
        &mut self,
        wakeup: Wakeup,
        task: &mut TaskState<'_>,
        link: &TaskLink,
        events: &mut Vec<Event>,
    ) -> Result<(), Box<SagaRecord>> {
        match wakeup {
            Wakeup::Appended(result) => {
                self.env.store_health.note(&result);
                task.append_time.append_ended(self.values.name(), result.is_ok());
                match result {
                    Ok(None) => {
                        self.appended(task, link);
                        events.push(Event::Appended);
                    }
                    Ok(Some(existing)) => return Err(existing),
                    Err(error) => {
                        task.store_error = Some(error.into());
                        events.push(Event::AppendFailed);
                    }
                }
            }
            Wakeup::Transacted(result) => {
                self.env.store_health.note(&result);
                events.extend(self.transacted(result, task));
            }
            Wakeup::CallsEnded(lone) => self.calls_ended(lone, task, events),
            Wakeup::PermitsGranted(granted) => {
                events.extend(granted.into_iter().map(|vertex| Event::PermitGranted { vertex }));
            }
            Wakeup::TransactionRequested => {}
            Wakeup::Tick => events.push(Event::Tick),
            // dealt with before
            Wakeup::Lingered | Wakeup::Control(Control::LeaseEnded) => {}
            Wakeup::Control(Control::Drain) => events.push(Event::Drain),
            Wakeup::Control(Control::Request(request)) => {
                events.extend(self.accept(request, task));
            }
            Wakeup::Control(Control::Transaction(request)) => task.transactions.add(request),
            Wakeup::Control(Control::Stop(acknowledge)) => {
                // the shutdown may not be waiting any more
                let _ = acknowledge.send(());
                self.interrupt_calls(task, link);
                task.timer = None;
                // an append in flight may succeed or fail: its answer is awaited
                task.stopped = true;
            }
        }
        Ok(())
    }

    /// Tells the machine what has happened, and adds what is to be done about it.
    fn step(&mut self, events: &mut Vec<Event>, task: &mut TaskState<'_>) {
        let (now, set) = self.env.clock.look(&mut self.clock);
        if let Some(millis) = set {
            events.insert(0, Event::ClockSet { millis });
        }
        self.machine.step_all(now, events.drain(..), &mut task.effects);
    }

    /// Brings the values up to what the machine has decided.
    fn follow(&mut self, task: &TaskState<'_>) {
        if task.output_decided {
            // a value computed from that output may be needed before its entry is written
            self.values.fill(self.machine.state(), self.machine.unwritten());
        }
        self.values.follow(self.machine.state());
    }

    /// Does what the machine has decided.
    fn perform(&mut self, effect: Effect, task: &mut TaskState<'_>) {
        match effect {
            Effect::Append { entries, answers } => self.write(entries, answers, task),
            Effect::Answer(id, answer) => task.operators.answer(id, &answer),
            Effect::RequestPermit(vertex) => {
                let action = self.values.action(&self.machine, vertex);
                let name = action.map_or("", |action| action.name().as_str());
                task.permits.request(&self.run.id, vertex, name, &self.env.call_limits);
            }
            Effect::ReleasePermit(vertex) => task.permits.release(vertex),
            Effect::RunAction(call) => self.start_call(call, CallKind::Action, task),
            Effect::RunUndo(call) => self.start_call(call, CallKind::Undo, task),
            Effect::Probe(call) => self.start_call(call, CallKind::Probe, task),
            Effect::Compute(vertex) => {
                let context = |call| self.context(call);
                let value = self.values.compute(&self.machine, vertex, context);
                let value = value.and_then(|output| self.keep(vertex, output));
                self.clock.expire();
                self.step(&mut vec![Event::Computed { vertex, value }], task);
            }
            Effect::Choose(vertex) => {
                let choice = self.values.choose(&self.machine, vertex);
                self.clock.expire();
                self.step(&mut vec![Event::Chosen { vertex, choice }], task);
            }
            Effect::Times(vertex) => {
                let times = self.values.times(&self.machine, vertex);
                self.clock.expire();
                self.step(&mut vec![Event::TimesKnown { vertex, times }], task);
            }
            Effect::SignalCancel => self.run.cancel.set(),
            Effect::SignalCancelOf(vertex) => self.run.cancel.set_for(vertex),
            Effect::DropCall(vertex) => task.calls.drop_call(vertex),
            Effect::WakeAt(time) => task.timer = Some(Box::pin(self.env.clock.until(time))),
            Effect::Overdue => self.warn_overdue(),
            // `run` returns at this one
            Effect::Finish(_) => {}
        }
    }

    /// The value of a computed node, unless it is too large for the log.
    fn keep(&self, vertex: VertexId, output: ActionOutput) -> Result<Payload, Failure> {
        self.output_limits(vertex).check(&output).map_err(|e| e.to_failure(false))?;
        let payload = output.payload.clone();
        self.values.set(&self.machine, vertex, output);
        Ok(payload)
    }

    /// Drops all calls in flight, and notes whose they were.
    fn interrupt_calls(&self, task: &mut TaskState<'_>, link: &TaskLink) {
        let vertices = task.calls.vertices().chain(task.calls.interrupted());
        link.add_interrupted(vertices.map(|v| self.machine.state().path(v)).collect());
        task.calls = call::CallsInFlight::default();
    }

    /// The machine has nothing left to do: says so to whoever watches the saga.
    fn finish(&mut self, finish: Finish, mut task: TaskState<'_>, link: &TaskLink) -> RunEnd {
        if !task.created {
            if let Some(error) = task.store_error.take().map(|error| *error) {
                // it is not in the store, and nobody has a handle to it
                link.set_creation(Creation::Failed(error.clone()));
                return RunEnd::NotCreated { error, run_key: self.run.run_key };
            }
            self.report_created(link, &mut task);
        }
        let reloads =
            |error: &mut Box<StoreError>| self.env.reloads && error.may_pass() && !task.stopped;
        let reloads = |error: &mut _| reloads(error) && !planted(Mistake::NotReloaded);
        let saga = self.run.id.clone();
        if let Some(error) = task.store_error.take_if(reloads).map(|error| *error) {
            task.operators.fail_all(&SagaError::Store { saga, source: error.clone() });
            return RunEnd::StoreFailed { error, made_progress: task.made_progress };
        }
        match finish {
            Finish::Settled => return RunEnd::Settled,
            Finish::Ended(_) | Finish::Parked { .. } | Finish::Drained => {
                task.operators.answer_held(|id| self.machine.state().is_held(id));
            }
            // the state is ahead of the log
            Finish::Failed | Finish::Broken(_) => {}
        }
        self.values.follow(self.machine.state());
        let result = match finish {
            Finish::Ended(status) => self.values.result(&self.machine, &saga, status),
            Finish::Parked { reason } => Err(SagaError::Parked { saga, reason }),
            Finish::Drained | Finish::Settled => Err(SagaError::ShutDown { saga }),
            Finish::Failed => return self.release(task),
            Finish::Broken(why) => Err(SagaError::Corrupt { saga, why }),
        };
        crash_point("driver.finish.telling");
        self.progress.finish(Some(self.machine.status()), result);
        RunEnd::Done
    }

    /// Other processes may run the saga by now: drops what is in flight.
    fn lease_ended(&self, error: StoreError, mut task: TaskState<'_>) -> RunEnd {
        let saga = self.run.id.clone();
        task.operators.fail_all(&SagaError::Store { saga, source: error.clone() });
        RunEnd::StoreFailed { error, made_progress: task.made_progress }
    }

    /// This process stops running the saga, which has not ended.
    fn release(&self, mut task: TaskState<'_>) -> RunEnd {
        let saga = self.run.id.clone();
        let error = match task.store_error.take().map(|error| *error) {
            // a saga that a shutdown has released does not belong to this process any more
            _ if task.stopped => SagaError::ShutDown { saga },
            None => SagaError::ShutDown { saga },
            Some(StoreError::Fenced { .. }) => SagaError::LostOwnership { saga },
            Some(source) => SagaError::Store { saga, source },
        };
        crash_point("driver.release.telling");
        task.operators.fail_all(&error);
        if self.env.lease.is_some() && matches!(error, SagaError::LostOwnership { .. }) {
            return RunEnd::Lost;
        }
        self.progress.finish(None, Err(error));
        RunEnd::Done
    }
}
