//! What goes into the machine ([`Event`]) and what comes out of it ([`Effect`]).

use std::sync::Arc;
use std::time::Duration;

use super::crash_suspicion::Watch;
use super::state::VertexId;
use crate::log::{Answer, Command, Entry, Failure, Payload, SagaStatus, Timestamp, Uuid};
use crate::probe::Probe;

/// Settings of a machine, which stay the same for as long as it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// How many calls of the saga may be in flight at once; without a bound if none.
    pub max_concurrency: Option<usize>,
    /// How long an action may still run after unwinding has begun, before it is dropped and counts as in
    /// doubt.
    pub abandon_after: Duration,
    /// When the saga unwinds if it has not ended. Not while the pivot is in flight or in doubt, nor after it.
    pub deadline: Option<Timestamp>,
    /// When a new saga starts; at once if none. Of one that is recovered, its log says it.
    pub starts_at: Option<Timestamp>,
    /// True if each call needs a permit ([`Effect::RequestPermit`]), because this process bounds how many
    /// calls run at once in all of its sagas.
    pub permits: bool,
    /// How many events may wait for their wait to begin. A saga refuses more.
    pub max_kept_events: usize,
}

impl Config {
    /// The same for a saga that starts at this time.
    pub(crate) fn with_start(self: &Arc<Self>, starts_at: Option<Timestamp>) -> Arc<Self> {
        match self.starts_at == starts_at {
            true => self.clone(),
            false => Arc::new(Self { starts_at, ..**self }),
        }
    }

    /// The same with this deadline.
    pub(crate) fn with_deadline(self: &Arc<Self>, deadline: Option<Timestamp>) -> Arc<Self> {
        match self.deadline == deadline {
            // shared by the many sagas that have none
            true => self.clone(),
            false => Arc::new(Self { deadline, ..**self }),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_concurrency: None,
            abandon_after: Duration::from_secs(30),
            deadline: None,
            starts_at: None,
            permits: false,
            max_kept_events: 1_000,
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The saga is new.
    Created {
        /// A random id for this run.
        run_key: Uuid,
    },
    /// This process has taken the saga over, with the log that it has. Calls without an outcome in the log
    /// were cut off, and are in doubt.
    Recovered,
    /// The saga was running when its process died, and is to be watched. Comes in the same
    /// [`step_all`](super::Machine::step_all) as [`Event::Recovered`], and before it.
    Watch(Watch),
    /// The append is durable.
    Appended,
    /// The append has failed, or nobody knows whether it is durable.
    AppendFailed,
    /// An attempt of an action has ended.
    ActionDone {
        /// The action's node.
        vertex: VertexId,
        /// How it ended.
        result: ActionResult,
    },
    /// An attempt of an undo has ended.
    UndoDone {
        /// The node whose undo it is.
        vertex: VertexId,
        /// How it ended.
        result: Result<(), Failure>,
    },
    /// The answer to [`Effect::Probe`].
    Probed {
        /// The action's node.
        vertex: VertexId,
        /// Whether it took effect, with its output.
        answer: Probe<Payload>,
    },
    /// The answer to [`Effect::Choose`].
    Chosen {
        /// The gate.
        vertex: VertexId,
        /// How many instances, or which arm; or why that cannot be told.
        choice: Result<u64, Failure>,
    },
    /// The answer to [`Effect::Compute`].
    Computed {
        /// The node.
        vertex: VertexId,
        /// The value, or why there is none.
        value: Result<Payload, Failure>,
    },
    /// The answer to [`Effect::Times`].
    TimesKnown {
        /// The wait.
        vertex: VertexId,
        /// When each of its timers is due, in the order of its alternatives; or why that cannot be told.
        times: Result<Vec<Due>, Failure>,
    },
    /// The permit that [`Effect::RequestPermit`] asked for has been granted.
    PermitGranted {
        /// The node that may run.
        vertex: VertexId,
    },
    /// An operator asks for something. If the saga had ended, was parked or is being taken over, this comes in
    /// the same [`step_all`](super::Machine::step_all) as [`Event::Recovered`].
    ///
    /// A request that is granted leaves `requested` in the log, followed by the entries that carry it out,
    /// and is answered with that [`Effect::Append`]; a cancel that waits for the pivot is answered with a
    /// later one. A request that is refused leaves nothing in the log, and is answered with [`Effect::Answer`];
    /// or with the append of the same turn, if there is one, because the answer may depend on its entries. A
    /// request that arrives again, under the same id, is not granted twice.
    Operator {
        /// The request's id.
        id: Uuid,
        /// The operator's name.
        by: String,
        /// What is asked for.
        command: Command,
    },
    /// The saga must wait for a human. Calls in flight may end, and nothing else starts until the saga is
    /// unparked. Has no effect on a saga that has ended or is parked already.
    Park {
        /// Why.
        reason: String,
    },
    /// Time has passed.
    Tick,
    /// The wall clock has been set since the last step. Waits of a given length, such as the one before a retry,
    /// do not become longer by that.
    ClockSet {
        /// By how many milliseconds: forward, or back if it is negative.
        millis: i64,
    },
    /// From now on nothing new starts, and the machine finishes when no call is in flight.
    Drain,
}

/// When a timer is due, as the saga's definition says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// After this time.
    After(Duration),
    /// At this time on the wall clock.
    At(Timestamp),
}

/// How an attempt of an action ended.
#[derive(Debug, Clone, PartialEq)]
pub enum ActionResult {
    /// It succeeded, with this output.
    Ok(Payload),
    /// It failed and has no effect.
    Failed(Failure),
    /// Nobody knows whether it took effect.
    InDoubt(Failure),
    /// It succeeded, but its output cannot be stored and exists in memory only.
    Unstorable(Failure),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Write these entries, then report [`Event::Appended`] or [`Event::AppendFailed`].
    Append {
        /// The entries; at least one.
        entries: Vec<Entry>,
        /// The answers to store in the same transaction, each with the id of its request.
        answers: Vec<(Uuid, Answer)>,
    },
    /// Answer the request with this id, which leaves nothing in the log.
    Answer(Uuid, Answer),
    /// Ask for a permit for a call of this node, then report [`Event::PermitGranted`].
    RequestPermit(VertexId),
    /// The permit that was asked for is not needed, or not any more, whether it has been granted or not. Every
    /// [`Effect::RequestPermit`] is followed by this or by the call. A grant that crosses with it is ignored.
    ReleasePermit(VertexId),
    /// Run an action, then report [`Event::ActionDone`].
    RunAction(AuthorizedCall),
    /// Run an undo, then report [`Event::UndoDone`].
    RunUndo(AuthorizedCall),
    /// Ask an action in doubt whether it took effect, then report [`Event::Probed`]. Nothing is written about it before there is
    /// an answer, so no entry authorizes it; it waits for the append of its turn, if there is one.
    Probe(AuthorizedCall),
    /// Evaluate how many instances a `for` has, or which arm is chosen, and report [`Event::Chosen`] before any
    /// other event.
    Choose(VertexId),
    /// Evaluate a value, and report [`Event::Computed`] before any other event.
    Compute(VertexId),
    /// Evaluate when the timers of a wait are due, which begins now, and report [`Event::TimesKnown`] before any other event.
    Times(VertexId),
    /// Tell the actions in flight that the saga unwinds.
    SignalCancel,
    /// Tell the action of this node, which is in flight, that the scope unwinds that it stands in.
    SignalCancelOf(VertexId),
    /// Drop the call of this node, which is in flight. Nothing is reported.
    DropCall(VertexId),
    /// Send [`Event::Tick`] at this time. Replaces the one before.
    WakeAt(Timestamp),
    /// Warn that the saga is past its deadline and goes on, because it is past its pivot.
    Overdue,
    /// This process is finished with the saga.
    Finish(Finish),
}

/// A call of an action or an undo, authorized by an entry that is durable; or the question whether an action took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthorizedCall {
    /// The node.
    pub vertex: VertexId,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The generation of the action's key: how many keys it had before this one. Of an undo, that of the last attempt of its
    /// action.
    pub generation: u32,
    /// The sequence number of the entry that authorizes it. Of a question, that of the last entry: later than the last attempt's
    /// unless the process died during that, and earlier than the next one's.
    pub seq: u64,
    /// True for an undo, for a question, and for an action that is run again while unwinding. The saga's cancellation signal
    /// does not reach such a call.
    pub unwinding: bool,
    /// How often it is called in a row: once, unless a test has asked for more.
    pub repeat: u32,
}

/// Why this process is finished with a saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// The saga has ended.
    Ended(SagaStatus),
    /// The saga waits for a human, and no call is in flight.
    Parked {
        /// Why.
        reason: String,
    },
    /// The machine was told to drain, and no call is in flight.
    Drained,
    /// The machine was told to [settle](super::Machine::settle), and no call is in doubt any more.
    Settled,
    /// An append has failed, so the state in memory is ahead of the log, and nothing may be based on it.
    Failed,
    /// The machine has derived an entry that is illegal: a bug in this library.
    Broken(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_with_a_deadline_is_otherwise_the_same_and_one_without_is_shared() {
        let all = Arc::new(Config { max_concurrency: Some(2), permits: true, ..Config::default() });
        let deadline = Some(Timestamp(7));
        let with = all.with_deadline(deadline);
        assert_eq!(*with, Config { deadline, ..*all });
        assert!(Arc::ptr_eq(&all, &all.with_deadline(None)));
        assert_eq!(with.with_deadline(None), all);
    }
}
