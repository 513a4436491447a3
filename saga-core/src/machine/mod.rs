//! The pure state machine of a saga.
//!
//! [`Machine`] is a value: events go in, effects come out. It does no I/O, reads no clock, spawns
//! nothing and never panics. The driver, the tests and recovery all drive this one machine, and it
//! changes its [`State`] only by applying log entries: what a crash leaves behind is what was there.
//!
//! One turn of the machine takes what has happened, derives every entry that follows from it, and asks
//! for **one** append of all of them. Calls that the entries authorize go out when the append is
//! durable, and not before. While an append is under way, what happens waits for the next turn.
//!
//! (After steno's saga executor, and the durability rules of runtime systems such as Restate; the rules
//! of unwinding were found by exhaustive exploration.)

mod apply;
mod event;
mod forward;
mod graph;
mod order;
mod path;
mod recover;
mod report;
mod state;
mod unwind;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::dag::Plan;
use crate::log::{Entry, EntryKind, Failure, FailureKind, SagaStatus, Timestamp};

use order::Turn;

pub use apply::Corrupt;
pub use event::{ActionResult, Call, Config, Effect, Event, Finish};
pub use report::NodeState;
pub use state::{Frame, Illegal, Part, State, Vertex, VertexId};

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
    state: State,
    config: Config,
    epoch: u64,
    now: Timestamp,
    in_flight: BTreeMap<VertexId, InFlight>,
    /// What may start and has not: waits for room, the end of a pause, or for ever while draining.
    candidates: BTreeMap<Turn, VertexId>,
    timers: BTreeSet<(Timestamp, VertexId)>,
    /// When forward calls in flight are dropped.
    abandon_at: Option<Timestamp>,
    /// Values and choices that were asked for.
    evaluating: BTreeSet<VertexId>,
    /// Outputs that are in memory only.
    kept: BTreeSet<VertexId>,
    inbox: VecDeque<Event>,
    touched: Vec<VertexId>,
    batch: Vec<Entry>,
    /// Calls that wait for the append.
    held: Vec<Effect>,
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
        Self::with_state(State::new(plan), config, epoch)
    }

    fn with_state(state: State, config: Config, epoch: u64) -> Self {
        Self {
            state,
            config,
            epoch,
            now: Timestamp::default(),
            in_flight: BTreeMap::new(),
            candidates: BTreeMap::new(),
            timers: BTreeSet::new(),
            abandon_at: None,
            evaluating: BTreeSet::new(),
            kept: BTreeSet::new(),
            inbox: VecDeque::new(),
            touched: Vec::new(),
            batch: Vec::new(),
            held: Vec::new(),
            appending: false,
            draining: false,
            finished: false,
            broken: None,
            woken: None,
            work: 0,
        }
    }

    /// What the log says. Includes the entries of an append under way.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// How many decisions were looked at and edges walked: linear in nodes and edges.
    pub fn work(&self) -> u64 {
        self.work + self.state.walked
    }

    /// What the saga is doing.
    pub fn status(&self) -> SagaStatus {
        self.state.status()
    }

    /// When a saga that only waits wants to go on.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let timer = self.timers.first().map(|(at, _)| *at);
        // not if the last of them came back by itself
        let abandon = self.abandon_at.filter(|_| self.status() == SagaStatus::Failed);
        [timer, abandon].into_iter().flatten().min()
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
        self.now = self.now.max(now);
        for event in events {
            if self.finished {
                return effects;
            }
            match event {
                Event::Appended if self.appending => {
                    self.appending = false;
                    if self.held.contains(&Effect::SignalCancel) {
                        self.abandon_at = Some(self.now.after(self.config.abandon_after));
                    }
                    effects.append(&mut self.held);
                }
                Event::AppendFailed => self.abort(&mut effects, Finish::Failed),
                // the turn that asked for them goes on
                Event::Chosen { vertex, choice } => {
                    self.evaluated(vertex, choice.map(EntryKind::Chosen));
                }
                Event::Computed { vertex, value } => {
                    self.evaluated(vertex, value.map(EntryKind::Succeeded));
                }
                other => self.inbox.push_back(other),
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
                // after the inbox: a call that has ended by itself is not dropped
                self.pass_time(effects);
            }
            if let Some(v) = self.touched.pop() {
                self.work += 1;
                self.decide(v, effects);
            } else if !self.evaluating.is_empty() || !self.start_next() {
                break;
            }
        }
        if self.evaluating.is_empty() {
            self.end_if_done();
        }
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
            effects.push(Effect::Append { entries, answers: Vec::new() });
            return;
        }
        match self.state.ended {
            Some(status) if self.in_flight.is_empty() => {
                self.finish(effects, Finish::Ended(status));
                return;
            }
            _ if self.draining && self.in_flight.is_empty() => {
                self.finish(effects, Finish::Drained);
                return;
            }
            _ => {}
        }
        if let Some(at) = self.wake_at()
            && self.woken != Some(at)
        {
            self.woken = Some(at);
            effects.push(Effect::WakeAt(at));
        }
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
            }
        }
        effects.extend(self.in_flight.keys().map(|v| Effect::DropCall(*v)));
        self.finish(effects, finish);
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Created { birth } => self.emit(None, EntryKind::Created { birth }),
            Event::Recovered => self.touched.extend(0..self.state.len()),
            Event::ActionDone { vertex, result } => self.action_done(vertex, result),
            Event::UndoDone { vertex, result } => self.undo_done(vertex, result),
            Event::Tick => self.woken = None,
            Event::Drain => self.draining = true,
            Event::Appended
            | Event::AppendFailed
            | Event::Chosen { .. }
            | Event::Computed { .. }
            | Event::SlotGranted { .. }
            | Event::Park { .. }
            | Event::Operator { .. } => {}
        }
    }

    fn forward_in_flight(&self) -> bool {
        self.in_flight.values().any(|call| *call == InFlight::Forward)
    }

    /// Timers that are due, and calls whose time is up.
    fn pass_time(&mut self, effects: &mut Vec<Effect>) {
        while let Some(&(at, v)) = self.timers.first() {
            if at > self.now {
                break;
            }
            self.timers.pop_first();
            self.touched.push(v);
        }
        if self.abandon_at.is_some_and(|at| at <= self.now) {
            self.abandon_at = None;
            let forward = self.in_flight.iter().filter(|(_, call)| **call == InFlight::Forward);
            for v in forward.map(|(v, _)| *v).collect::<Vec<_>>() {
                effects.push(Effect::DropCall(v));
                self.in_flight.remove(&v);
                let after = self.config.abandon_after;
                let why =
                    format!("still running {after:?} after the saga began to unwind; dropped");
                self.emit(Some(v), EntryKind::InDoubt(Failure::new(FailureKind::Cancelled, why)));
            }
        }
    }

    /// Looks at one vertex: is there something to start, to wait for, or to write about it?
    fn decide(&mut self, v: VertexId, effects: &mut Vec<Effect>) {
        let idle = !self.in_flight.contains_key(&v) && !self.evaluating.contains(&v);
        if !idle || self.state.ended.is_some() || self.state.parked.is_some() {
            return;
        }
        if self.state.unwinding.is_none() {
            self.decide_forward(v, effects);
        } else {
            self.decide_unwinding(v);
        }
    }

    /// Starts the first candidate, if there is one and room for it.
    fn start_next(&mut self) -> bool {
        if !self.has_room() || self.draining || self.state.paused || self.broken.is_some() {
            return false;
        }
        let Some((_, v)) = self.candidates.pop_first() else { return false };
        if self.state.unwinding.is_none() {
            self.start_action(v, InFlight::Forward);
        } else {
            self.start_unwinding(v);
        }
        true
    }

    fn has_room(&self) -> bool {
        let Some(max) = self.config.max_concurrency else { return true };
        // one at a time goes back in exact reverse: an undo that waits for its next try keeps its turn
        let exact = max <= 1 && self.state.unwinding.is_some();
        let waiting = if exact { self.timers.len() } else { 0 };
        self.in_flight.len() + waiting < max.max(1)
    }

    fn line_up(&mut self, v: VertexId, turn: Option<Turn>) {
        self.candidates.extend(turn.map(|turn| (turn, v)));
    }

    fn start_action(&mut self, v: VertexId, call: InFlight) {
        let seq = self.state.next_seq;
        self.emit(Some(v), EntryKind::Started);
        self.in_flight.insert(v, call);
        let attempt = self.state.vertex(v).map_or(1, |x| x.attempts);
        let unwinding = call == InFlight::Rerun;
        self.held.push(Effect::RunAction(Call { vertex: v, attempt, seq, unwinding, repeat: 1 }));
    }

    fn end_if_done(&mut self) {
        let ended = self.state.ended.is_some() || self.state.parked.is_some();
        if ended || self.state.birth.is_none() || self.broken.is_some() {
            return;
        }
        if self.state.unwinding.is_none() {
            if self.state.all_completed() {
                self.emit(None, EntryKind::Ended(SagaStatus::Completed));
            }
            return;
        }
        if self.state.all_settled() {
            self.emit(None, EntryKind::Ended(SagaStatus::RolledBack));
        } else if self.in_flight.is_empty() && self.candidates.is_empty() && self.timers.is_empty()
        {
            self.emit(None, EntryKind::Ended(SagaStatus::Stuck));
        }
    }

    /// Writes an entry into the batch, and lets the state follow it.
    fn emit(&mut self, v: Option<VertexId>, kind: EntryKind) {
        let seq = self.state.next_seq;
        if self.broken.is_some() {
            return;
        }
        if let Err(illegal) = self.state.apply(v, &kind, &mut self.touched) {
            self.broken = Some(illegal.to_string());
            return;
        }
        let attempt = v.and_then(|v| self.state.vertex(v)).map_or(0, |x| match kind {
            EntryKind::UndoStarted
            | EntryKind::UndoFinished
            | EntryKind::UndoFailed(_)
            | EntryKind::UndoRetryScheduled { .. } => x.undo_tries,
            _ => x.attempts,
        });
        if let EntryKind::Unwinding(_) = kind {
            self.candidates.clear();
            self.timers.clear();
            self.evaluating.clear();
            if self.forward_in_flight() {
                self.held.push(Effect::SignalCancel);
            }
        }
        let node = v.map(|v| self.state.path(v));
        self.batch.push(Entry { seq, epoch: self.epoch, at: self.now, node, attempt, kind });
    }

    /// A number that is the same wherever this try of this call is made.
    fn dice(&self, v: VertexId, direction: u8, attempt: u32) -> u64 {
        let birth = self.state.birth.unwrap_or_default();
        let bytes = birth.as_bytes().iter().copied();
        let bytes = bytes.chain(v.to_le_bytes()).chain([direction]).chain(attempt.to_le_bytes());
        // FNV-1a, then a finalizer that spreads the last bytes over all bits (splitmix64)
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
    }
}
