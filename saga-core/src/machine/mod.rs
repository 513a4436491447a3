//! The pure state machine that decides what a saga does next.
//!
//! [`Machine`] is a value: it takes [`Event`]s and returns [`Effect`]s. It does no I/O, reads no clock, spawns
//! nothing and never panics. The driver, the tests and the fuzzer all use this one machine, so what the tests
//! explore is what runs.
//!
//! # How a machine is used
//!
//! 1. **Events go in.** Whoever runs the saga reports what has happened: a call has ended, an operator has asked
//!    for something, time has passed ([`Machine::step`]; [`Machine::step_all`] for several at once).
//! 2. **One append comes out.** The machine derives every log entry that follows from these events and asks for
//!    a single [`Effect::Append`] of all of them. At most one append is in flight; events that arrive meanwhile
//!    are kept, and their entries share the next append.
//! 3. **The append becomes durable.** Whoever runs the saga writes it to the store and reports
//!    [`Event::Appended`], or [`Event::AppendFailed`], after which this machine does nothing more.
//! 4. **Calls come out.** Only now does the machine release the calls that these entries authorize
//!    ([`Effect::RunAction`], [`Effect::RunUndo`]). How they end is the next event.
//!
//! Effects that depend on no new entry, such as [`Effect::WakeAt`] or [`Effect::RequestPermit`], do not wait for an
//! append. The saga is over for this process when [`Effect::Finish`] comes out.
//!
//! ```
//! use std::sync::Arc;
//!
//! use saga_core::SagaStatus;
//! use saga_core::action::{Policy, UndoContract};
//! use saga_core::dag::{NodeName, Plan, PlanKind, PlanNode};
//! use saga_core::log::{Timestamp, Uuid};
//! use saga_core::machine::{ActionResult, Config, Effect, Event, Finish, Machine, SagaState};
//!
//! // a saga with a single action
//! let kind = PlanKind::Action(Policy::new(UndoContract::None));
//! let node = PlanNode { name: NodeName::new("pay")?, kind };
//! let plan = Arc::new(Plan::new(vec![node], &[]));
//! let mut machine = Machine::new(plan.clone(), Config::default(), 1);
//! let mut log = Vec::new();
//! let now = Timestamp(1_000);
//!
//! // an event goes in, and one append comes out: `created`, and `started` for the action
//! let mut effects = machine.step(now, Event::Created { run_key: Uuid::from_u128(1) });
//! let Some(Effect::Append { entries, .. }) = effects.pop() else { panic!("no append") };
//! assert_eq!(entries.len(), 2);
//! log.extend(entries);
//!
//! // the append is durable, so the call comes out
//! let mut effects = machine.step(now, Event::Appended);
//! let Some(Effect::RunAction(call)) = effects.pop() else { panic!("no call") };
//!
//! // the call ends, which is the next event: `succeeded` and `ended` share an append
//! let result = ActionResult::Ok(b"null".as_slice().into());
//! let done = Event::ActionDone { vertex: call.vertex, result };
//! let mut effects = machine.step(now, done);
//! let Some(Effect::Append { entries, .. }) = effects.pop() else { panic!("no append") };
//! log.extend(entries);
//! let effects = machine.step(now, Event::Appended);
//! assert_eq!(effects, [Effect::Finish(Finish::Ended(SagaStatus::Completed))]);
//!
//! // any process gets the same state from the log
//! let recovered = SagaState::fold(plan, &log)?;
//! assert_eq!(recovered.status(), SagaStatus::Completed);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What the state is made of
//!
//! [`SagaState`] is what the log says, and changes only by applying entries, in a running saga and in recovery
//! alike. So the state that a crash leaves behind is the state that the saga had. Everything else in a
//! [`Machine`] (calls in flight, timers, permits, requests that have just arrived) belongs to this process and
//! is lost with it; [`Event::Recovered`] makes the next process decide anew about every node.
//!
//! A saga consists of *frames*: the saga itself, each subsaga, each instance of a `for`, and the arm that was
//! chosen. A frame has one *vertex* for each node of its plan, and one more, the *gate*, for each node that
//! holds others: the gate comes before the parts of its node, and the node's own vertex after them.
//!
//! # Where to look
//!
//! - A step of the machine: this file, and `turn`. Whether something is to be done about a vertex: `forward`,
//!   `unwind`, for the bodies of `try` `scopes`, and for actions that can be asked whether they took effect `probing`. When a call starts: `scheduling`, `start_order`. What ends a wait: `timers`.
//! - Waits: `waits`. The events that they wait for: `mailbox`.
//! - An entry: whether it may follow (`legality`), what it changes (`transitions`, `graph`), and how it gets
//!   into the append (`batch`).
//! - Operators' requests: `commands`. Sagas that may have crashed their process: `crash_suspicion`.
//!
//! The design follows steno's saga executor, and the durability rules of runtimes such as Restate. The rules
//! of unwinding were found by exhaustive exploration.

mod batch;
mod commands;
mod crash_suspicion;
mod entry_meaning;
mod event;
mod forward;
mod graph;
mod legality;
mod mailbox;
mod migrate;
mod node_paths;
mod probing;
mod progress;
mod rare;
mod recover;
mod report;
mod scheduling;
mod scopes;
mod settle;
mod start_order;
mod state;
mod timers;
mod transitions;
mod turn;
mod under_way;
mod unwind;
mod vertex;
mod waits;

use std::sync::Arc;

use crate::log::{Entry, Failure, FailureKind, NodeEntry, SagaEntry, SagaStatus, Timestamp};
use crate::plan::Plan;
use crate::planted::{Mistake, planted};

use commands::{OperatorRequest, Requests};
use rare::Rare;
use scheduling::Permits;
use start_order::Candidates;
use under_way::{UnderWay, Work};

pub use crash_suspicion::Watch;
pub use event::{ActionResult, AuthorizedCall, Config, Due, Effect, Event, Finish};
pub use mailbox::Waited;
pub use migrate::{Fate, Ineligible, Mapping};
pub use report::{NextAttempt, NodeState, WaitState};
pub use state::{FrameState, Illegal, Part, SagaState, VertexId};
pub use transitions::Corrupt;
pub use vertex::Vertex;

/// A saga that this process runs: its state, and what this process has under way.
#[derive(Debug, Clone)]
pub struct Machine {
    state: SagaState,
    config: Arc<Config>,
    epoch: u64,
    /// The time of the wall clock, as of the last step.
    now: Timestamp,
    /// By how many milliseconds the clock has been set back since the waits in the log began. Unknown before
    /// the first step.
    set_back: Option<u64>,
    /// The time of the last entry.
    written_at: Timestamp,
    under_way: UnderWay,
    /// The vertices that are [`Work::Candidate`]. While the machine drains, none of them starts.
    candidates: Candidates,
    rare: Option<Box<Rare>>,
    /// Vertices about which there may be something new to decide.
    touched: Vec<VertexId>,
    /// Entries for the next append.
    batch: Vec<Entry>,
    /// Effects that are released when the append is durable.
    held: Vec<Effect>,
    /// None before the first one is asked for.
    permits: Option<Box<Permits>>,
    /// None before an operator asks for something.
    requests: Option<Box<Requests>>,
    /// True while an append is in flight.
    appending: bool,
    /// True once nothing new may start.
    draining: bool,
    finished: bool,
    /// How many decisions have been made.
    work: u64,
}

impl Machine {
    /// A saga that has no log yet. Its first event is [`Event::Created`].
    pub fn new(plan: Arc<Plan>, config: impl Into<Arc<Config>>, epoch: u64) -> Self {
        Self::with_state(SagaState::new(plan), config.into(), epoch)
    }

    fn with_state(state: SagaState, config: Arc<Config>, epoch: u64) -> Self {
        Self {
            requests: Requests::open_in(&state),
            state,
            config,
            epoch,
            now: Timestamp::default(),
            set_back: None,
            written_at: Timestamp::default(),
            under_way: UnderWay::default(),
            candidates: Candidates::default(),
            rare: None,
            touched: Vec::new(),
            batch: Vec::new(),
            held: Vec::new(),
            permits: None,
            appending: false,
            draining: false,
            finished: false,
            work: 0,
        }
    }

    /// The settings that it was given.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The state that follows from the log, including the entries of an append in flight.
    pub fn state(&self) -> &SagaState {
        &self.state
    }

    /// Entries that follow from what has happened and are not part of an append yet.
    pub fn unwritten(&self) -> &[Entry] {
        &self.batch
    }

    /// How many decisions were made and edges walked, which is linear in the number of nodes and edges.
    pub fn work(&self) -> u64 {
        self.work + self.state.walked
    }

    /// The status of the saga.
    pub fn status(&self) -> SagaStatus {
        self.state.status()
    }

    /// Takes one event that happened at this time, and returns what is to be done about it.
    pub fn step(&mut self, now: Timestamp, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.step_all(now, [event], &mut effects);
        effects
    }

    /// Takes several events in one turn, so that all of their entries share one append. What is to be done about
    /// them is added to `effects`.
    pub fn step_all(
        &mut self,
        now: Timestamp,
        events: impl IntoIterator<Item = Event>,
        effects: &mut Vec<Effect>,
    ) {
        self.tell_time(now);
        let mut only_appended = true;
        for event in events {
            if self.finished {
                return;
            }
            only_appended &= matches!(event, Event::Appended);
            match event {
                Event::Appended if self.appending => {
                    self.appending = false;
                    self.release_held(effects);
                }
                Event::ClockSet { millis } => self.clock_was_set(millis),
                Event::AppendFailed => self.abort(effects, Finish::Failed),
                // the turn that asked for the evaluation continues with its result
                Event::Chosen { vertex, choice } => {
                    self.evaluated(vertex, choice.map(NodeEntry::Chosen));
                }
                Event::Computed { vertex, value } => {
                    self.evaluated(vertex, value.map(NodeEntry::Succeeded));
                }
                Event::TimesKnown { vertex, times } => {
                    let begins = times.map(|times| self.wait_times(&times));
                    self.evaluated(vertex, begins);
                }
                event @ (Event::Created { .. }
                | Event::Recovered
                | Event::Watch(_)
                | Event::Appended
                | Event::ActionDone { .. }
                | Event::UndoDone { .. }
                | Event::Probed { .. }
                | Event::PermitGranted { .. }
                | Event::Operator { .. }
                | Event::Park { .. }
                | Event::Tick
                | Event::Drain) => {
                    if self.appending && planted(Mistake::EventLostDuringAppend) {
                        continue;
                    }
                    if self.appending || self.is_evaluating() || !self.rare().inbox.is_empty() {
                        self.rare_mut().inbox.push_back(event);
                    } else {
                        self.take(event);
                    }
                }
            }
        }
        let appending = self.appending && !planted(Mistake::TwoAppends);
        let idle = appending || only_appended && self.waits_for_calls();
        if !idle && !self.finished {
            self.turn(effects);
        }
    }

    /// The append is durable, so the effects that have waited for it are released.
    fn release_held(&mut self, effects: &mut Vec<Effect>) {
        self.watch_calls();
        self.will_abandon();
        if self.held.iter().any(|effect| matches!(effect, Effect::SignalCancel)) {
            let at = self.waited().after(self.config.abandon_after);
            let at = if planted(Mistake::AbandonedAtOnce) { self.waited() } else { at };
            self.rare_mut().abandon_at =
                Some(at).filter(|_| !planted(Mistake::AbandonAfterIgnored));
        }
        if effects.is_empty() {
            std::mem::swap(effects, &mut self.held);
        } else {
            effects.append(&mut self.held);
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Created { run_key } => self.write(SagaEntry::Created {
                run_key,
                traceparent: None,
                starts_at: self.config.starts_at,
            }),
            Event::Recovered => self.touched.extend(0..self.state.len()),
            Event::Watch(watch) => self.begin_watch(watch),
            Event::ActionDone { vertex, result } => self.action_done(vertex, result),
            Event::UndoDone { vertex, result } => self.undo_done(vertex, result),
            Event::Probed { vertex, answer } => self.probed(vertex, answer),
            Event::Tick => self.forget_wake_up(),
            Event::Drain => self.draining = !planted(Mistake::DrainStartsCalls),
            Event::PermitGranted { vertex } => {
                self.permits.get_or_insert_default().granted.push_back(vertex);
            }
            Event::Operator { id, by, command } => {
                self.hear(OperatorRequest { id, by, command });
            }
            Event::Park { reason } => {
                if self.state.allows_saga_entry(&SagaEntry::Parked { reason: String::new() }) {
                    self.write(SagaEntry::Parked { reason });
                }
            }
            Event::Appended
            | Event::AppendFailed
            | Event::ClockSet { .. }
            | Event::Chosen { .. }
            | Event::Computed { .. }
            | Event::TimesKnown { .. } => {}
        }
    }

    /// Decides about one vertex: whether there is something to start, to wait for, or to write.
    fn decide(&mut self, v: VertexId, effects: &mut Vec<Effect>) {
        let busy = !matches!(self.under_way.of(v), Work::Nothing | Work::Candidate)
            && !planted(Mistake::StartedTwice);
        if busy || self.state.ended.is_some() || self.state.parked.is_some() {
            return;
        }
        if !self.state.goes_back(v) {
            self.decide_scope(v);
            self.decide_forward(v, effects);
        } else {
            self.tell_cut_off(v);
            self.decide_unwinding(v);
        }
    }

    /// Writes that a call was cut off by the end of its process. A paused saga undoes nothing yet, but its log
    /// should not say that the call is still in flight.
    fn tell_cut_off(&mut self, v: VertexId) {
        if self.state.paused && self.state.vertex(v).is_some_and(Vertex::runs_forward) {
            let why = "its process ended before it did";
            let entry = self.without_outcome(v, Failure::new(FailureKind::Cancelled, why));
            self.write_about(v, entry);
        }
    }
}
