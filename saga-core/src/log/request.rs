//! What operators ask of a saga, and what they are told.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::action::encode;
use crate::error::ActionError;

use super::{ActionState, NodePath, Payload, SagaId, SagaStatus, Timestamp};

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
    /// Put a fault into the saga, for a test.
    Inject {
        /// Where.
        node: NodePath,
        /// What.
        fault: Fault,
    },
}

impl Command {
    /// The word that is stored and shown.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Cancel { .. } => "cancel",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Step => "step",
            Self::RetryUndo { .. } => "retry_undo",
            Self::RetryAll => "retry_all",
            Self::Resolve { .. } => "resolve",
            Self::Rollback { .. } => "rollback",
            Self::Retry { .. } => "retry",
            Self::Decide { .. } => "decide",
            Self::Unpark => "unpark",
            Self::Inject { .. } => "inject",
        }
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
    /// Its effect is there, and this is its output.
    ///
    /// ```
    /// use saga_core::Decision;
    /// let wei = 1_000_000_000_000_000_000_001_u128;
    /// let decision = Decision::with_output(&wei)?;
    /// assert_eq!(decision.output().unwrap().as_bytes(), wei.to_string().as_bytes());
    /// # Ok::<(), saga_core::ActionError>(())
    /// ```
    ///
    /// # Errors
    /// [`ActionError::SerializeFailed`](crate::ActionError::SerializeFailed) if it cannot be encoded.
    pub fn with_output<T: Serialize + ?Sized>(output: &T) -> Result<Self, ActionError> {
        encode(output).map(Self::SucceededWith)
    }

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

/// A command on its way to the worker of its saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Random.
    pub id: Uuid,
    /// For which saga.
    pub saga: SagaId,
    /// What is asked.
    pub command: Command,
    /// Who asks.
    pub by: String,
    /// When they did.
    pub at: Timestamp,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is in the log and takes effect.
    Done,
    /// It is in the log, and is carried out or refused once it is known how the pivot has ended. Given for
    /// a saga that was parked with its pivot in doubt after it had been asked; otherwise the answer waits
    /// for the pivot.
    Held,
    /// It changes nothing: the saga is already where the command would bring it.
    NothingToDo {
        /// Where.
        status: SagaStatus,
    },
    /// It was not done.
    Refused(Refusal),
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "refusal")]
#[non_exhaustive]
pub enum Refusal {
    /// The saga has ended.
    #[error("the saga has already ended: {status}")]
    AlreadyEnded {
        /// How.
        status: SagaStatus,
    },
    /// The saga has not ended.
    #[error("the saga has not ended: {status}; cancel it instead")]
    NotEnded {
        /// What it does.
        status: SagaStatus,
    },
    /// The point of no return is behind it.
    #[error("the saga is past its pivot `{pivot}` and can only go forward")]
    PastPivot {
        /// Which node that was.
        pivot: NodePath,
    },
    /// It is parked because nobody knows whether it is past its point of no return.
    #[error(
        "nobody knows whether the pivot `{pivot}` took effect; find out, decide it, and then cancel"
    )]
    PivotInDoubt {
        /// Which node that is.
        pivot: NodePath,
    },
    /// There is no such node.
    #[error("the saga has no node `{node}`")]
    NoSuchNode {
        /// The name asked for.
        node: NodePath,
    },
    /// The node's undo has not failed.
    #[error("the undo of node `{node}` has not failed, the node is {state}")]
    UndoNotFailed {
        /// Which node.
        node: NodePath,
        /// How it stands.
        state: ActionState,
    },
    /// The node did not make the saga stuck.
    #[error("node `{node}` did not make the saga stuck, it is {state}")]
    NotFailed {
        /// Which node.
        node: NodePath,
        /// How it stands.
        state: ActionState,
    },
    /// Something of the saga is running right now.
    #[error("{calls} calls of the saga are in flight; try again when they have ended")]
    InFlight {
        /// How many.
        calls: usize,
    },
    /// The saga is not paused.
    #[error("the saga is not paused")]
    NotPaused,
    /// A paused saga has nothing that could start.
    #[error("no node or undo of the saga is ready to start")]
    NothingToStart,
    /// The saga is not parked.
    #[error("the saga is not parked")]
    NotParked,
    /// Something of the saga is of a type that this program does not have (any more).
    #[error(
        "{why}; start a program that can, decide what it is, or (in front of a pivot) cancel the saga to undo what can be undone"
    )]
    Unreadable {
        /// What it is, and how it differs.
        why: String,
    },
    /// The node is not a pivot in doubt.
    #[error("node `{node}` is no pivot in doubt, it is {state}")]
    NotInDoubt {
        /// Which node.
        node: NodePath,
        /// How it stands.
        state: ActionState,
    },
    /// What was given does not fit.
    #[error("{why}")]
    Invalid {
        /// Why.
        why: String,
    },
}
