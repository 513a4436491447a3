//! What goes into the machine and what comes out of it.

use std::time::Duration;

use super::crash_suspicion::Watch;
use super::state::VertexId;
use crate::log::{Answer, Command, Entry, Failure, Payload, SagaStatus, Timestamp, Uuid};

/// What the machine is told once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// How many calls of one saga may be in flight.
    pub max_concurrency: Option<usize>,
    /// How long an action may go on after unwinding was decided, before it is dropped and in doubt.
    pub abandon_after: Duration,
    /// When the saga must have ended, or unwinds; an open pivot holds it, and behind the pivot there is
    /// none.
    pub deadline: Option<Timestamp>,
    /// True if calls wait for [`Effect::RequestPermit`]: this process bounds how many run at once.
    pub permits: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_concurrency: None,
            abandon_after: Duration::from_secs(30),
            deadline: None,
            permits: false,
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The saga is new.
    Created {
        /// Its random id.
        run_key: Uuid,
    },
    /// This process took the saga over with the log that it has: calls without an outcome were cut off.
    Recovered,
    /// The saga was running when its process died: with [`Event::Recovered`] in the same
    /// [`step_all`](super::Machine::step_all), and before it.
    Watch(Watch),
    /// The append is durable.
    Appended,
    /// The append is not in, or nobody knows.
    AppendFailed,
    /// An attempt of an action ended.
    ActionDone {
        /// Of which node.
        vertex: VertexId,
        /// How.
        result: ActionResult,
    },
    /// An attempt of an undo ended.
    UndoDone {
        /// Of which node.
        vertex: VertexId,
        /// How.
        result: Result<(), Failure>,
    },
    /// The answer to [`Effect::Choose`].
    Chosen {
        /// Of which gate.
        vertex: VertexId,
        /// The width or the arm; or why there is none.
        choice: Result<u64, Failure>,
    },
    /// The answer to [`Effect::Compute`].
    Computed {
        /// Of which node.
        vertex: VertexId,
        /// The value; or why there is none.
        value: Result<Payload, Failure>,
    },
    /// There is room for the call that was asked for with [`Effect::RequestPermit`].
    PermitGranted {
        /// Of which node.
        vertex: VertexId,
    },
    /// An operator asks for something: while the saga runs, or with [`Event::Recovered`] in the same
    /// [`step_all`](super::Machine::step_all) for one that had ended, was parked or is taken over.
    ///
    /// What is granted leaves `requested` in the log, then what follows from it, and is answered with
    /// that [`Effect::Append`]; a cancel that waits for the pivot, with a later one. What is not granted
    /// leaves nothing and is answered with [`Effect::Answer`], or with the append of the same turn, if
    /// there is one: the answer may rest on it. A request that comes again under its id is not granted
    /// again.
    Operator {
        /// The request's id.
        id: Uuid,
        /// Who asks.
        by: String,
        /// For what.
        command: Command,
    },
    /// The saga must wait for a human: what is in flight may end, and it goes on only when it is
    /// unparked. Nothing happens if it has ended or is parked already.
    Park {
        /// Why.
        reason: String,
    },
    /// Time has passed.
    Tick,
    /// The clock that says `now` was set since the last step. What waits for so long, and not until a time,
    /// does not wait longer for that.
    ClockSet {
        /// By how many milliseconds: forward, or back if it is negative.
        millis: i64,
    },
    /// Start nothing new.
    Drain,
}

/// How an attempt of an action ended.
#[derive(Debug, Clone, PartialEq)]
pub enum ActionResult {
    /// With an output.
    Ok(Payload),
    /// Without an effect.
    Failed(Failure),
    /// Nobody knows.
    InDoubt(Failure),
    /// With an output that cannot be stored, but is in memory.
    Unstorable(Failure),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Write these entries; answer with [`Event::Appended`] or [`Event::AppendFailed`].
    Append {
        /// At least one.
        entries: Vec<Entry>,
        /// Requests that are answered by them, in the same transaction.
        answers: Vec<(Uuid, Answer)>,
    },
    /// Answer a request that leaves nothing in the log.
    Answer(Uuid, Answer),
    /// Ask for room for a call of this node; answer with [`Event::PermitGranted`].
    RequestPermit(VertexId),
    /// The room that was asked for is not needed (any more): a call that was granted it is not made.
    /// Every [`Effect::RequestPermit`] is followed by this or by the call. A grant that crosses with it is
    /// not looked at.
    ReleasePermit(VertexId),
    /// Run an action; answer with [`Event::ActionDone`].
    RunAction(AuthorizedCall),
    /// Run an undo; answer with [`Event::UndoDone`].
    RunUndo(AuthorizedCall),
    /// Evaluate how many instances, or which arm; answer with [`Event::Chosen`], at once.
    Choose(VertexId),
    /// Evaluate a value; answer with [`Event::Computed`], at once.
    Compute(VertexId),
    /// Tell the actions that run that the saga unwinds.
    SignalCancel,
    /// Drop a call that runs; no answer.
    DropCall(VertexId),
    /// Send [`Event::Tick`] at this time. The last one counts.
    WakeAt(Timestamp),
    /// Say that the saga is past its deadline, and goes on: it is behind its pivot.
    Overdue,
    /// There is nothing left to do.
    Finish(Finish),
}

/// A call that the log authorizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthorizedCall {
    /// Of which node.
    pub vertex: VertexId,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// The log entry that authorizes it.
    pub seq: u64,
    /// True for an action that runs in the scope of its undo: the saga's cancellation does not reach it.
    pub unwinding: bool,
    /// How often it is called in a row: 1, unless a test asked for more.
    pub repeat: u32,
}

/// Why the machine stands still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// The saga has ended.
    Ended(SagaStatus),
    /// It waits for a human, and nothing is in flight.
    Parked {
        /// Why.
        reason: String,
    },
    /// It was told to start nothing new, and nothing is in flight.
    Drained,
    /// An append failed: the state in memory is ahead of the log, and nothing more may be done on it.
    Failed,
    /// An entry of its own broke the rules of the log: a mistake in this library.
    Broken(String),
}
