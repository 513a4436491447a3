//! What the log records about a saga as a whole.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Migrated;
use crate::log::{Cause, Command, Fault, NodePath, Refusal, SagaStatus, Timestamp, Uuid};

/// What an entry about the saga as a whole records. The variants' names are the words in the stored log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SagaEntry {
    /// The saga exists; always entry 1.
    Created {
        /// Random for each run: the root of all idempotency keys.
        #[serde(rename = "birth")]
        run_key: Uuid,
        /// The span that started the saga, as a W3C `traceparent` (feature `opentelemetry`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        traceparent: Option<Arc<str>>,
        /// When it starts; at once if none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        starts_at: Option<Timestamp>,
    },
    /// From here on the saga unwinds.
    Unwinding(Cause),
    /// No new node or undo starts.
    Paused,
    /// The end of a pause.
    Resumed,
    /// The saga waits for a human.
    Parked {
        /// Why.
        reason: String,
    },
    /// The end of that wait.
    Unparked,
    /// The process died while a call of the saga was running. The saga resumes under watch, to find out
    /// whether its call was what killed the process.
    Suspected {
        /// How many crashes count against it.
        crashes: u32,
        /// True if no other saga is watched with it, so that one more crash would count.
        alone: bool,
    },
    /// Its calls have run for some time under that watch, and the process lives.
    Cleared,
    /// An operator asked for something that takes effect now, or is held until the pivot has ended.
    Requested {
        /// The request's id.
        id: Uuid,
        /// Who asked.
        by: String,
        /// For what.
        #[serde(flatten)]
        command: Box<Command>,
    },
    /// A request that was held is refused.
    Refused {
        /// The request's id.
        id: Uuid,
        /// Why.
        #[serde(flatten)]
        why: Box<Refusal>,
    },
    /// A fault that a test put into the saga, and that stays with it.
    Injected {
        /// Into which node.
        at: NodePath,
        /// Which fault.
        fault: Fault,
    },
    /// The saga goes on under another version of its definition. What its nodes have already done follows, as entries about
    /// the nodes of that version; the entries before this one are history.
    Migrated(Box<Migrated>),
    /// The saga has ended.
    Ended(SagaStatus),
}

/// What an entry says about whether the saga is halted.
pub(crate) enum Halt<'a> {
    Paused,
    Resumed,
    Parked(&'a str),
    Unparked,
}

impl SagaEntry {
    /// The word that is stored and shown.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "created",
            Self::Unwinding(_) => "unwinding",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Parked { .. } => "parked",
            Self::Unparked => "unparked",
            Self::Suspected { .. } => "suspected",
            Self::Cleared => "cleared",
            Self::Requested { .. } => "requested",
            Self::Refused { .. } => "refused",
            Self::Injected { .. } => "injected",
            Self::Migrated(_) => "migrated",
            Self::Ended(_) => "ended",
        }
    }

    /// What it says about whether the saga is halted.
    pub(crate) fn halt(&self) -> Option<Halt<'_>> {
        match self {
            Self::Paused => Some(Halt::Paused),
            Self::Resumed => Some(Halt::Resumed),
            Self::Parked { reason } => Some(Halt::Parked(reason)),
            Self::Unparked => Some(Halt::Unparked),
            Self::Created { .. }
            | Self::Unwinding(_)
            | Self::Suspected { .. }
            | Self::Cleared
            | Self::Requested { .. }
            | Self::Refused { .. }
            | Self::Injected { .. }
            | Self::Migrated(_)
            | Self::Ended(_) => None,
        }
    }

    /// The same with the command of an operator, which can carry an output, passed through this function.
    pub(crate) fn try_map_command<E>(
        self,
        map: impl FnOnce(Command) -> Result<Command, E>,
    ) -> Result<Self, E> {
        Ok(match self {
            Self::Requested { id, by, command } => {
                Self::Requested { id, by, command: Box::new(map(*command)?) }
            }
            entry @ (Self::Created { .. }
            | Self::Unwinding(_)
            | Self::Paused
            | Self::Resumed
            | Self::Parked { .. }
            | Self::Unparked
            | Self::Suspected { .. }
            | Self::Cleared
            | Self::Refused { .. }
            | Self::Injected { .. }
            | Self::Migrated(_)
            | Self::Ended(_)) => entry,
        })
    }

    pub(super) fn message(&self) -> Option<String> {
        match self {
            Self::Unwinding(cause) => Some(cause.to_string()),
            Self::Parked { reason } => Some(reason.clone()),
            Self::Suspected { crashes, .. } => Some(match crashes {
                0 => "resumed after a crash; none counts against it".to_string(),
                1 => "resumed after a crash; 1 counts against it".to_string(),
                n => format!("resumed after a crash; {n} in a row count against it"),
            }),
            Self::Requested { by, command, .. } => {
                Some(if let Command::Signal { event, event_id, .. } = &**command {
                    format!("signal {event} by {by}, id {event_id}")
                } else {
                    format!("{} by {by}", command.name())
                })
            }
            Self::Refused { why, .. } => Some(why.to_string()),
            Self::Injected { at, fault } => Some(format!("{fault:?} at `{at}`")),
            Self::Ended(status) => Some(status.to_string()),
            Self::Migrated(migrated) => Some(migrated.to_string()),
            Self::Created { starts_at, .. } => starts_at.map(|at| format!("starts at {at}")),
            Self::Paused | Self::Resumed | Self::Unparked | Self::Cleared => None,
        }
    }

    /// That somebody asked for something, or that the saga is halted, is no progress.
    pub(super) fn is_progress(&self) -> bool {
        match self {
            Self::Created { .. }
            | Self::Unwinding(_)
            | Self::Unparked
            | Self::Injected { .. }
            | Self::Migrated(_)
            | Self::Ended(_) => true,
            Self::Paused
            | Self::Resumed
            | Self::Parked { .. }
            | Self::Suspected { .. }
            | Self::Cleared
            | Self::Requested { .. }
            | Self::Refused { .. } => false,
        }
    }
}
