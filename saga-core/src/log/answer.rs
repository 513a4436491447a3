//! What operators are told.

use serde::{Deserialize, Serialize};

use super::{ActionState, NodePath, SagaStatus};
use crate::names::EventType;

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is in the log and takes effect.
    Done,
    /// It is in the log, and is carried out or refused once it is known how the pivot has ended. Given for
    /// a saga that was parked with its pivot in doubt after it had been asked, and to an operator of another process whose
    /// patience has ended; otherwise the answer waits for the pivot.
    Held,
    /// It changes nothing: the saga is already where the command would bring it.
    NothingToDo {
        /// Where.
        status: SagaStatus,
    },
    /// The saga has an event with this name and this id already, so there is nothing to do. Sending it again is safe.
    Duplicate,
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
    /// It is parked because it is not known whether it is past its point of no return.
    #[error(
        "it is not known whether the pivot `{pivot}` took effect; find out, decide it, and then cancel"
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
        /// Its state.
        state: ActionState,
    },
    /// The node did not make the saga stuck.
    #[error("node `{node}` did not make the saga stuck, it is {state}")]
    NotFailed {
        /// Which node.
        node: NodePath,
        /// Its state.
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
    #[error("{why}")]
    Unreadable {
        /// What it is, how it differs, and what to do about it.
        why: String,
    },
    /// The node is not a pivot in doubt.
    #[error("node `{node}` is no pivot in doubt, it is {state}")]
    NotInDoubt {
        /// Which node.
        node: NodePath,
        /// Its state.
        state: ActionState,
    },
    /// The saga rolls back, and waits for nothing any more.
    #[error("the saga rolls back, and waits for nothing any more")]
    Unwinding,
    /// The saga has no wait that could take the event: none for this type, or none that is still to come and that no
    /// earlier event is kept for.
    #[error("the saga has no wait (left) that could take an event {event}")]
    NoSuchWait {
        /// The type of the event.
        event: EventType,
    },
    /// The saga keeps too many events that nobody has waited for yet.
    #[error("the saga keeps {kept} events that it has not waited for yet, and that is the limit")]
    MailboxFull {
        /// How many.
        kept: usize,
    },
    /// What was given does not fit.
    #[error("{why}")]
    Invalid {
        /// Why.
        why: String,
    },
}
