//! What operators ask of a saga.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{NodePath, Payload};
use crate::names::EventType;

/// Something that an operator asks of one saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "command")]
#[non_exhaustive]
pub enum Command {
    /// Unwind it, also if it is parked.
    Cancel {
        /// Why.
        reason: String,
    },
    /// Start no new node and no new undo.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Start one node or undo of a paused saga.
    Step,
    /// Try the failed undo of a stuck saga's node again, with all of its tries.
    RetryUndo {
        /// Which node.
        node: NodePath,
    },
    /// Try all failed undos of a stuck saga again.
    RetryAll,
    /// Take a failed undo's effect as dealt with by a human.
    Resolve {
        /// Which node.
        node: NodePath,
        /// What was done about it.
        note: String,
    },
    /// Unwind a completed saga.
    Rollback {
        /// Why.
        reason: String,
    },
    /// Try the node again that failed for good behind the pivot, with all of its tries.
    Retry {
        /// Which node.
        node: NodePath,
    },
    /// Say how a pivot in doubt ended for which the saga is parked, and go on; or what the output of a node is
    /// that cannot be read, for which it stays parked until it is told to go on.
    Decide {
        /// The pivot.
        node: NodePath,
        /// How it ended.
        decision: Decision,
        /// How that is known.
        note: String,
    },
    /// Go on after having been parked. A pivot in doubt is run again, with all of its tries.
    Unpark,
    /// Tell it that something has happened for which it waits, or is going to wait.
    Signal {
        /// What.
        event: EventType,
        /// Which one: an event of this name with an id that the saga has is a duplicate.
        event_id: String,
        /// What is known about it, encoded.
        payload: Payload,
    },
    /// Put a fault into the saga, for a test.
    Inject {
        /// Where.
        node: NodePath,
        /// What.
        fault: Fault,
    },
}

impl Command {
    /// The word that is shown, and written on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Cancel { .. } => "cancel",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Step => "step",
            // whether it is an undo or an action follows from what made the saga stuck
            Self::RetryUndo { .. } | Self::RetryAll | Self::Retry { .. } => "retry",
            Self::Resolve { .. } => "resolve",
            Self::Rollback { .. } => "rollback",
            Self::Decide { .. } => "decide",
            Self::Unpark => "unpark",
            Self::Signal { .. } => "signal",
            Self::Inject { .. } => "inject",
        }
    }

    /// The node that it names, if it names one.
    pub fn node(&self) -> Option<&NodePath> {
        match self {
            Self::RetryUndo { node }
            | Self::Resolve { node, .. }
            | Self::Retry { node }
            | Self::Decide { node, .. }
            | Self::Inject { node, .. } => Some(node),
            Self::Cancel { .. }
            | Self::Pause
            | Self::Resume
            | Self::Step
            | Self::RetryAll
            | Self::Rollback { .. }
            | Self::Signal { .. }
            | Self::Unpark => None,
        }
    }

    /// The type of the event that it tells of, if it does.
    pub fn event(&self) -> Option<&EventType> {
        match self {
            Self::Signal { event, .. } => Some(event),
            Self::Cancel { .. }
            | Self::Pause
            | Self::Resume
            | Self::Step
            | Self::RetryUndo { .. }
            | Self::RetryAll
            | Self::Resolve { .. }
            | Self::Rollback { .. }
            | Self::Retry { .. }
            | Self::Decide { .. }
            | Self::Unpark
            | Self::Inject { .. } => None,
        }
    }

    /// The reason or the note that comes with it, if it has one.
    pub fn note(&self) -> Option<&str> {
        match self {
            Self::Cancel { reason } | Self::Rollback { reason } => Some(reason),
            Self::Resolve { note, .. } | Self::Decide { note, .. } => Some(note),
            Self::Pause
            | Self::Resume
            | Self::Step
            | Self::RetryUndo { .. }
            | Self::RetryAll
            | Self::Retry { .. }
            | Self::Unpark
            | Self::Signal { .. }
            | Self::Inject { .. } => None,
        }
    }

    /// True if it may replace the output of a node that already has one.
    pub(crate) fn replaces_output(&self) -> bool {
        match self {
            Self::Decide { .. } => true,
            Self::Cancel { .. }
            | Self::Pause
            | Self::Resume
            | Self::Step
            | Self::RetryUndo { .. }
            | Self::RetryAll
            | Self::Resolve { .. }
            | Self::Rollback { .. }
            | Self::Retry { .. }
            | Self::Unpark
            | Self::Signal { .. }
            | Self::Inject { .. } => false,
        }
    }

    /// The same with the decision of an operator, which can carry an output, passed through this function.
    pub(crate) fn try_map_decision<E>(
        self,
        map: impl FnOnce(&NodePath, Decision) -> Result<Decision, E>,
    ) -> Result<Self, E> {
        Ok(match self {
            Self::Decide { node, decision, note } => {
                let decision = map(&node, decision)?;
                Self::Decide { node, decision, note }
            }
            command @ (Self::Cancel { .. }
            | Self::Pause
            | Self::Resume
            | Self::Step
            | Self::RetryUndo { .. }
            | Self::RetryAll
            | Self::Resolve { .. }
            | Self::Rollback { .. }
            | Self::Retry { .. }
            | Self::Unpark
            | Self::Signal { .. }
            | Self::Inject { .. }) => command,
        })
    }
}

/// How a pivot in doubt ended, as somebody found out. Its `Debug` does not show the output.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Its effect is there, and this is its output.
    Succeeded(serde_json::Value),
    /// The same with an output as it is stored, which [`Decision::with_output`] makes: a
    /// [`Value`](serde_json::Value) holds no integers beyond `u64`.
    SucceededWith(Payload),
    /// Its effect is not there.
    Failed,
}

impl Decision {
    /// The output as it is stored, if there is one.
    pub fn output(&self) -> Option<Payload> {
        match self {
            Self::Succeeded(output) => Some(Payload::from(output.to_string().into_bytes())),
            Self::SucceededWith(output) => Some(output.clone()),
            Self::Failed => None,
        }
    }
}

impl fmt::Debug for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeeded(_) | Self::SucceededWith(_) => f.write_str("Succeeded(..)"),
            Self::Failed => f.write_str("Failed"),
        }
    }
}

/// A fault that a test puts into a node; it stays with the saga, also through a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The action fails with [`Injected`](crate::ActionError::Injected) instead of being called.
    Error,
    /// The undo fails for good instead of being called.
    UndoError,
    /// Action and undo are each called so many times in a row: a repeated call must change nothing.
    Repeat(u32),
}
