//! The pure state machine of a saga.
//!
//! [`Machine`] is a value: events go in, effects come out. It does no I/O, reads no clock, spawns
//! nothing and never panics. The driver, the tests and recovery all drive this one machine, and it
//! changes its [`SagaState`] only by applying log entries: what a crash leaves behind is what was there.
//!
//! One turn of the machine takes what has happened, derives every entry that follows from it, and asks
//! for **one** append of all of them. Calls that the entries authorize go out when the append is
//! durable, and not before. While an append is under way, what happens waits for the next turn.
//!
//! (After steno's saga executor, and the durability rules of runtime systems such as Restate; the rules
//! of unwinding were found by exhaustive exploration.)

mod batch;
mod commands;
mod crash_suspicion;
mod event;
mod forward;
mod graph;
mod legality;
mod node_paths;
mod progress;
mod recover;
mod report;
mod scheduling;
mod start_order;
mod state;
mod timers;
mod transitions;
mod unwind;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::log::{
    Answer, Entry, Failure, FailureKind, NodeEntry, SagaEntry, SagaStatus, Timestamp, Uuid,
};
use crate::plan::Plan;

use commands::OperatorRequest;
use crash_suspicion::Watched;
use start_order::StartPriority;

pub use crash_suspicion::Watch;
pub use event::{ActionResult, AuthorizedCall, Config, Effect, Event, Finish};
pub use report::NodeState;
pub use state::{FrameState, Illegal, Part, SagaState, Vertex, VertexId};
pub use transitions::Corrupt;

/// A call in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InFlight {
    /// An action that was started going forward.
    Forward,
    /// An action that is run again while unwinding.
    Rerun,
    Undo,
}

/// A saga in flight: its state, and what this process has under way.
#[derive(Debug, Clone)]
pub struct Machine {
    state: SagaState,
    config: Config,
    epoch: u64,
    /// What the wall clock says.
    now: Timestamp,
    /// By how many milliseconds it was set back since the waits of the log began; known from the first step on.
    set_back: Option<u64>,
    /// The time of the last entry.
    written_at: Timestamp,
    in_flight: BTreeMap<VertexId, InFlight>,
    /// What may start and has not: waits for room, the end of a pause, or for ever while draining.
    candidates: BTreeMap<StartPriority, VertexId>,
    timers: BTreeSet<(Timestamp, VertexId)>,
    /// It was running when its process died, and is being looked at.
    watched: Option<Watched>,
    /// When forward calls in flight are dropped.
    abandon_at: Option<Timestamp>,
    /// It has been said that the deadline has passed.
    overdue: bool,
    /// Values and choices that were asked for.
    evaluating: BTreeSet<VertexId>,
    /// Outputs that are in memory only.
    kept: BTreeSet<VertexId>,
    inbox: VecDeque<Event>,
    touched: Vec<VertexId>,
    batch: Vec<Entry>,
    /// Calls that wait for the append.
    held: Vec<Effect>,
    /// Effects of this turn that don't.
    said: Vec<Effect>,
    /// Nodes that wait for a slot, and where they stood in line.
    wanting: BTreeMap<VertexId, StartPriority>,
    /// Slots that were granted, for calls that have not been begun.
    granted: VecDeque<VertexId>,
    /// What operators ask and this process has not looked at.
    requests: VecDeque<OperatorRequest>,
    /// Requests that are in the log and not answered.
    asked: BTreeSet<Uuid>,
    /// Answers of this turn that are not in the log.
    answers: Vec<(Uuid, Answer)>,
    appending: bool,
    draining: bool,
    finished: bool,
    broken: Option<String>,
    woken: Option<Timestamp>,
    work: u64,
}

impl Machine {
    /// A saga that has no log yet. Its first event is [`Event::Created`].
    pub fn new(plan: Arc<Plan>, config: Config, epoch: u64) -> Self {
        Self::with_state(SagaState::new(plan), config, epoch)
    }

    fn with_state(state: SagaState, config: Config, epoch: u64) -> Self {
        let asked = state.open.iter().map(|asked| asked.id).collect();
        Self {
            state,
            config,
            epoch,
            now: Timestamp::default(),
            set_back: None,
            written_at: Timestamp::default(),
            in_flight: BTreeMap::new(),
            candidates: BTreeMap::new(),
            timers: BTreeSet::new(),
            watched: None,
            abandon_at: None,
            overdue: false,
            evaluating: BTreeSet::new(),
            kept: BTreeSet::new(),
            inbox: VecDeque::new(),
            touched: Vec::new(),
            batch: Vec::new(),
            held: Vec::new(),
            said: Vec::new(),
            wanting: BTreeMap::new(),
            granted: VecDeque::new(),
            requests: VecDeque::new(),
            asked,
            answers: Vec::new(),
            appending: false,
            draining: false,
            finished: false,
            broken: None,
            woken: None,
            work: 0,
        }
    }

    /// What the log says. Includes the entries of an append under way.
    pub fn state(&self) -> &SagaState {
        &self.state
    }

    /// Entries that follow from what has happened, and whose append has not been asked for.
    pub fn unwritten(&self) -> &[Entry] {
        &self.batch
    }

    /// How many decisions were looked at and edges walked: linear in nodes and edges.
    pub fn work(&self) -> u64 {
        self.work + self.state.walked
    }

    /// What the saga is doing.
    pub fn status(&self) -> SagaStatus {
        self.state.status()
    }

    /// Takes one event at this time, and says what is to be done about it.
    pub fn step(&mut self, now: Timestamp, event: Event) -> Vec<Effect> {
        self.step_all(now, [event])
    }

    /// Takes what happened at the same time in one turn: all of it goes into one append.
    pub fn step_all(
        &mut self,
        now: Timestamp,
        events: impl IntoIterator<Item = Event>,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.tell_time(now);
        for event in events {
            if self.finished {
                return effects;
            }
            match event {
                Event::Appended if self.appending => {
                    self.appending = false;
                    if self.held.contains(&Effect::SignalCancel) {
                        self.abandon_at = Some(self.waited().after(self.config.abandon_after));
                    }
                    let held = std::mem::take(&mut self.held);
                    self.watch_calls(&held);
                    effects.extend(held);
                }
                Event::ClockSet { millis } => self.clock_was_set(millis),
                Event::AppendFailed => self.abort(&mut effects, Finish::Failed),
                // the turn that asked for them goes on
                Event::Chosen { vertex, choice } => {
                    self.evaluated(vertex, choice.map(NodeEntry::Chosen));
                }
                Event::Computed { vertex, value } => {
                    self.evaluated(vertex, value.map(NodeEntry::Succeeded));
                }
                event @ (Event::Created { .. }
                | Event::Recovered
                | Event::Watch(_)
                | Event::Appended
                | Event::ActionDone { .. }
                | Event::UndoDone { .. }
                | Event::PermitGranted { .. }
                | Event::Operator { .. }
                | Event::Park { .. }
                | Event::Tick
                | Event::Drain) => self.inbox.push_back(event),
            }
        }
        if !self.appending && !self.finished {
            self.turn(&mut effects);
        }
        effects
    }

    /// Derives all entries that follow from what has happened, and asks for their append.
    fn turn(&mut self, effects: &mut Vec<Effect>) {
        loop {
            // what happens while the machine waits for an answer is taken in after it
            if self.evaluating.is_empty() {
                while let Some(event) = self.inbox.pop_front() {
                    self.take(event);
                }
                self.follow_up();
                // after the inbox: a call that has ended by itself is not dropped
                self.pass_time(effects);
            }
            if let Some(v) = self.touched.pop() {
                self.work += 1;
                self.decide(v, effects);
            } else if !self.evaluating.is_empty() || !(self.hear_next() || self.start_next()) {
                break;
            }
        }
        if self.evaluating.is_empty() {
            self.end_if_done();
        }
        effects.append(&mut self.said);
        if let Some(why) = self.broken.take() {
            self.abort(effects, Finish::Broken(why));
            return;
        }
        if !self.evaluating.is_empty() {
            return;
        }
        if !self.batch.is_empty() {
            self.appending = true;
            let entries = std::mem::take(&mut self.batch);
            effects.push(Effect::Append { entries, answers: self.take_answers() });
            return;
        }
        effects.extend(self.answers.drain(..).map(|(id, answer)| Effect::Answer(id, answer)));
        if self.in_flight.is_empty()
            && let Some(finish) = self.stands_still()
        {
            self.finish(effects, finish);
            return;
        }
        if let Some(at) = self.wake_at().into_iter().chain(self.watched_until()).min()
            && self.woken != Some(at)
        {
            self.woken = Some(at);
            effects.push(Effect::WakeAt(at));
        }
    }

    /// Why there is nothing left to do once no call is in flight, if so.
    fn stands_still(&self) -> Option<Finish> {
        if let Some(status) = self.state.ended {
            return Some(Finish::Ended(status));
        }
        if let Some(reason) = self.state.parked.clone() {
            return Some(Finish::Parked { reason });
        }
        self.draining.then_some(Finish::Drained)
    }

    fn finish(&mut self, effects: &mut Vec<Effect>, finish: Finish) {
        self.finished = true;
        effects.push(Effect::Finish(finish));
    }

    /// Nothing more may be done on this state. Calls that wait for the append were never made.
    fn abort(&mut self, effects: &mut Vec<Effect>, finish: Finish) {
        for held in std::mem::take(&mut self.held) {
            if let Effect::RunAction(call) | Effect::RunUndo(call) = held {
                self.in_flight.remove(&call.vertex);
                if self.config.permits {
                    effects.push(Effect::ReleasePermit(call.vertex));
                }
            }
        }
        self.release_permits();
        effects.append(&mut self.said);
        effects.extend(self.in_flight.keys().map(|v| Effect::DropCall(*v)));
        self.finish(effects, finish);
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Created { run_key } => self.write(SagaEntry::Created { run_key }),
            Event::Recovered => self.touched.extend(0..self.state.len()),
            Event::Watch(watch) => self.begin_watch(watch),
            Event::ActionDone { vertex, result } => self.action_done(vertex, result),
            Event::UndoDone { vertex, result } => self.undo_done(vertex, result),
            Event::Tick => self.woken = None,
            Event::Drain => self.draining = true,
            Event::PermitGranted { vertex } => self.granted.push_back(vertex),
            Event::Operator { id, by, command } => {
                self.requests.push_back(OperatorRequest { id, by, command });
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
            | Event::Computed { .. } => {}
        }
    }

    /// Looks at one vertex: is there something to start, to wait for, or to write about it?
    fn decide(&mut self, v: VertexId, effects: &mut Vec<Effect>) {
        let waits = self.evaluating.contains(&v) || self.wanting.contains_key(&v);
        let busy = waits || self.in_flight.contains_key(&v);
        if busy || self.state.ended.is_some() || self.state.parked.is_some() {
            return;
        }
        if self.state.unwinding.is_none() {
            self.decide_forward(v, effects);
        } else {
            self.tell_cut_off(v);
            self.decide_unwinding(v);
        }
    }

    /// A paused saga undoes nothing yet; its log says all the same that nothing is in flight any more.
    fn tell_cut_off(&mut self, v: VertexId) {
        let forward = |x: &state::Vertex| x.progress.is_running() && x.reruns == 0;
        if self.state.paused && self.state.vertex(v).is_some_and(forward) {
            let why = "its process ended before it did";
            self.write_about(v, NodeEntry::InDoubt(Failure::new(FailureKind::Cancelled, why)));
        }
    }

    fn forward_in_flight(&self) -> bool {
        self.in_flight.values().any(|call| *call == InFlight::Forward)
    }

    fn end_if_done(&mut self) {
        let ended = self.state.ended.is_some() || self.state.parked.is_some();
        if ended || self.state.run_key.is_none() || self.broken.is_some() {
            return;
        }
        let idle = self.in_flight.is_empty()
            && self.candidates.is_empty()
            && self.wanting.is_empty()
            && self.timers.is_empty();
        let status = match self.state.unwinding {
            None if self.state.all_completed() => SagaStatus::Completed,
            Some(_) if self.state.all_settled() => SagaStatus::RolledBack,
            // an undo failed for good; or a node did behind the pivot, where there is no way back
            Some(_) if idle => SagaStatus::Stuck,
            None if idle && self.state.past_pivot() => SagaStatus::Stuck,
            Some(_) | None => return,
        };
        self.write(SagaEntry::Ended(status));
    }
}
