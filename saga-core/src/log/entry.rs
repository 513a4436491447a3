//! The entries of a log: what each kind records, and the words for them.

use super::{
    Cause, Command, Failure, Fault, NodePath, Payload, Refusal, SagaStatus, Timestamp, Uuid,
};

/// What one entry records. The variants' names are the words in the stored log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// The saga exists; always entry 1.
    Created {
        /// Random for each run: the root of all idempotency keys.
        run_key: Uuid,
    },
    /// An attempt of an action begins.
    Started,
    /// The node has its output.
    Succeeded(Payload),
    /// The attempt left no effect.
    Failed(Failure),
    /// The attempt may have had its effect.
    InDoubt(Failure),
    /// The next attempt begins at this time.
    RetryScheduled {
        /// When.
        at: Timestamp,
    },
    /// How many instances a `for` has, or which arm of a choice runs.
    Chosen(u64),
    /// The node will not run. Read, and written by no saga yet: the nodes of an arm that was not chosen are not
    /// in a log at all.
    Skipped,
    /// An attempt of an undo begins.
    UndoStarted,
    /// The node's effect is gone.
    UndoFinished,
    /// The effect remains or may remain.
    UndoFailed(Failure),
    /// The next attempt of the undo begins at this time.
    UndoRetryScheduled {
        /// When.
        at: Timestamp,
        /// How this attempt ended.
        failure: Failure,
    },
    /// From here on the saga unwinds.
    Unwinding(Cause),
    /// A human took care of the effect.
    Resolved {
        /// Who.
        by: String,
        /// What they did.
        note: String,
    },
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
    /// The process died while a call of the saga was running. It goes on under watch: whether that was
    /// its doing is to be seen.
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
        command: Command,
    },
    /// A request that was held is refused.
    Refused {
        /// The request's id.
        id: Uuid,
        /// Why.
        why: Refusal,
    },
    /// A test's fault, kept for the saga.
    Injected {
        /// Where.
        at: NodePath,
        /// What.
        fault: Fault,
    },
    /// The saga goes on under another definition. Read, and written by no saga yet.
    Migrated {
        /// The definition's fingerprint.
        fingerprint: String,
    },
    /// The saga has ended.
    Ended(SagaStatus),
}

impl EntryKind {
    /// The word that is stored and shown.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "created",
            Self::Started => "started",
            Self::Succeeded(_) => "succeeded",
            Self::Failed(_) => "failed",
            Self::InDoubt(_) => "in_doubt",
            Self::RetryScheduled { .. } => "retry_scheduled",
            Self::Chosen(_) => "chosen",
            Self::Skipped => "skipped",
            Self::UndoStarted => "undo_started",
            Self::UndoFinished => "undo_finished",
            Self::UndoFailed(_) => "undo_failed",
            Self::UndoRetryScheduled { .. } => "undo_retry_scheduled",
            Self::Unwinding(_) => "unwinding",
            Self::Resolved { .. } => "resolved",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Parked { .. } => "parked",
            Self::Unparked => "unparked",
            Self::Suspected { .. } => "suspected",
            Self::Cleared => "cleared",
            Self::Requested { .. } => "requested",
            Self::Refused { .. } => "refused",
            Self::Injected { .. } => "injected",
            Self::Migrated { .. } => "migrated",
            Self::Ended(_) => "ended",
        }
    }
}

impl EntryKind {
    /// What it carries for people to read: the message of an error, a reason, who asked for what. Never
    /// a payload.
    pub fn message(&self) -> Option<String> {
        match self {
            Self::Failed(failure)
            | Self::InDoubt(failure)
            | Self::UndoFailed(failure)
            | Self::UndoRetryScheduled { failure, .. } => Some(failure.message.clone()),
            Self::Unwinding(cause) => Some(cause.to_string()),
            Self::Parked { reason } => Some(reason.clone()),
            Self::Requested { by, command, .. } => Some(format!("{} by {by}", command.name())),
            Self::Refused { why, .. } => Some(why.to_string()),
            Self::Resolved { by, note } => Some(format!("by {by}: {note}")),
            Self::Injected { at, fault } => Some(format!("{fault:?} at `{at}`")),
            Self::Suspected { crashes, .. } => Some(format!("{crashes} crashes count against it")),
            Self::Ended(status) => Some(status.to_string()),
            Self::Chosen(n) => Some(n.to_string()),
            _ => None,
        }
    }
}

impl EntryKind {
    /// Does it say that the saga got on, so that a series of crashes is over? That a call begins does not,
    /// nor that somebody asked for something.
    pub(crate) fn is_progress(&self) -> bool {
        !matches!(
            self,
            Self::Started
                | Self::UndoStarted
                | Self::Paused
                | Self::Resumed
                | Self::Parked { .. }
                | Self::Suspected { .. }
                | Self::Cleared
                | Self::Requested { .. }
                | Self::Refused { .. }
        )
    }
}

/// One line of a saga's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Dense, from 1.
    pub seq: u64,
    /// Which ownership of the saga wrote it.
    pub epoch: u64,
    /// Wall time; never before that of the entry before it, also where the clock is set back.
    pub at: Timestamp,
    /// The node that it is about; none for entries about the saga.
    pub node: Option<NodePath>,
    /// Which attempt of that node's action or undo, from 1; 0 where there is none.
    pub attempt: u32,
    /// What it records.
    pub kind: EntryKind,
}

/// A stored entry that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorruptEntry {
    /// No entry kind has this name.
    #[error("unknown log entry kind {0:?}")]
    UnknownKind(String),
    /// The payload is not what this kind carries.
    #[error("the payload of a `{kind}` entry does not decode: {why}")]
    BadPayload {
        /// The kind.
        kind: &'static str,
        /// What the decoder said.
        why: String,
    },
}
