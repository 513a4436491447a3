//! What the log records about one node.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::EntryKind;
use crate::log::{
    ActionState, Failure, NodePath, Payload, SagaNodeEventType, SagaNodeLoadStatus, Timestamp,
    TryFailure, value_of,
};

/// What an entry about one node records. The variants' names are the words in the stored log. What few entries have
/// is behind a pointer, because every output is written in one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeEntry {
    /// An attempt of an action begins.
    Started,
    /// The node has its output.
    Succeeded(Payload),
    /// The attempt left no effect.
    Failed(Arc<Failure>),
    /// The attempt may have had its effect.
    InDoubt(Arc<Failure>),
    /// The action was asked, and none of its attempts took effect, nor will one under this key: it is not in doubt any more.
    /// The next attempt has another key.
    NotDone,
    /// The next attempt begins at this time.
    RetryScheduled {
        /// When.
        at: Timestamp,
    },
    /// How many instances a `for` has, or which arm of a choice runs; for a `try` always 1: the scope was undone.
    Chosen(u64),
    /// The scope of a `try` begins to unwind. [`NodeEntry::Chosen`] follows when all of it is settled and the saga goes on
    /// without it.
    ScopeUnwinding(Arc<TryFailure>),
    /// The node will not run. It is read, but no saga writes it yet: the nodes of an arm that was not chosen
    /// are not in a log at all.
    Skipped,
    /// An attempt of an undo begins.
    UndoStarted,
    /// The node's effect is gone.
    UndoFinished,
    /// The effect remains or may remain.
    UndoFailed(Arc<Failure>),
    /// The next attempt of the undo begins at this time.
    UndoRetryScheduled {
        /// When.
        at: Timestamp,
        /// How this attempt ended.
        failure: Arc<Failure>,
    },
    /// A human took care of the effect.
    Resolved(Box<Resolution>),
    /// A wait begins.
    Waiting {
        /// When its timers are due, in the order of its alternatives.
        until: Vec<Timestamp>,
    },
    /// A wait ends.
    Waited(Won),
}

/// Which alternative of a wait came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Won {
    /// The index of the alternative.
    pub alternative: u32,
    /// If it is an event: the sequence number of the entry that has it, a `requested` with the command `signal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
}

/// How a human took care of the effect of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// Who.
    pub by: String,
    /// What they did.
    pub note: String,
}

impl NodeEntry {
    /// The word that is stored and shown.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Succeeded(_) => "succeeded",
            Self::Failed(_) => "failed",
            Self::InDoubt(_) => "in_doubt",
            Self::NotDone => "not_done",
            Self::RetryScheduled { .. } => "retry_scheduled",
            Self::Chosen(_) => "chosen",
            Self::ScopeUnwinding(_) => "scope_unwinding",
            Self::Skipped => "skipped",
            Self::UndoStarted => "undo_started",
            Self::UndoFinished => "undo_finished",
            Self::UndoFailed(_) => "undo_failed",
            Self::UndoRetryScheduled { .. } => "undo_retry_scheduled",
            Self::Resolved(_) => "resolved",
            Self::Waiting { .. } => "waiting",
            Self::Waited(_) => "waited",
        }
    }

    /// The same as the kind of an entry about this node and this attempt.
    ///
    /// ```
    /// use saga_core::log::{EntryKind, NodeEntry};
    /// let kind = NodeEntry::Started.about("hotel", 1);
    /// assert!(matches!(kind, EntryKind::Node { node, attempt: 1, .. } if node == "hotel"));
    /// ```
    pub fn about(self, node: impl Into<NodePath>, attempt: u32) -> EntryKind {
        EntryKind::Node { node: node.into(), attempt, entry: self }
    }

    /// How an attempt ended, if this entry says that it did not succeed.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure)
            | Self::InDoubt(failure)
            | Self::UndoFailed(failure)
            | Self::UndoRetryScheduled { failure, .. } => Some(failure),
            Self::Started
            | Self::Succeeded(_)
            | Self::NotDone
            | Self::RetryScheduled { .. }
            | Self::Chosen(_)
            | Self::ScopeUnwinding(_)
            | Self::Skipped
            | Self::UndoStarted
            | Self::UndoFinished
            | Self::Resolved(_)
            | Self::Waiting { .. }
            | Self::Waited(_) => None,
        }
    }

    /// True if its word says it all.
    pub(super) fn is_only_a_word(&self) -> bool {
        match self {
            Self::Started
            | Self::NotDone
            | Self::Skipped
            | Self::UndoStarted
            | Self::UndoFinished => true,
            Self::Succeeded(_)
            | Self::Failed(_)
            | Self::InDoubt(_)
            | Self::RetryScheduled { .. }
            | Self::Chosen(_)
            | Self::ScopeUnwinding(_)
            | Self::UndoFailed(_)
            | Self::UndoRetryScheduled { .. }
            | Self::Resolved(_)
            | Self::Waiting { .. }
            | Self::Waited(_) => false,
        }
    }

    /// True if it is about an attempt of the node's undo, and not of its action.
    pub(crate) fn is_of_undo(&self) -> bool {
        match self {
            Self::UndoStarted
            | Self::UndoFinished
            | Self::UndoFailed(_)
            | Self::UndoRetryScheduled { .. } => true,
            Self::Started
            | Self::Succeeded(_)
            | Self::Failed(_)
            | Self::InDoubt(_)
            | Self::NotDone
            | Self::RetryScheduled { .. }
            | Self::Chosen(_)
            | Self::ScopeUnwinding(_)
            | Self::Skipped
            | Self::Resolved(_)
            | Self::Waiting { .. }
            | Self::Waited(_) => false,
        }
    }

    /// True if a call begins: of an action, or of an undo.
    pub(crate) fn is_start(&self) -> bool {
        matches!(self, Self::Started | Self::UndoStarted)
    }

    /// The output that it carries.
    pub(crate) fn output(&self) -> Option<&Payload> {
        match self {
            Self::Succeeded(output) => Some(output),
            Self::Started
            | Self::Failed(_)
            | Self::InDoubt(_)
            | Self::NotDone
            | Self::RetryScheduled { .. }
            | Self::Chosen(_)
            | Self::ScopeUnwinding(_)
            | Self::Skipped
            | Self::UndoStarted
            | Self::UndoFinished
            | Self::UndoFailed(_)
            | Self::UndoRetryScheduled { .. }
            | Self::Resolved(_)
            | Self::Waiting { .. }
            | Self::Waited(_) => None,
        }
    }

    /// The same with what the user's code gave, outputs and errors, passed through these functions.
    pub(crate) fn try_map_user_data<E>(
        self,
        output: impl FnOnce(Payload) -> Result<Payload, E>,
        failure: impl FnOnce(Failure) -> Result<Failure, E>,
    ) -> Result<Self, E> {
        let failure = |given| failure(Arc::unwrap_or_clone(given)).map(Arc::new);
        Ok(match self {
            Self::Succeeded(given) => Self::Succeeded(output(given)?),
            Self::Failed(given) => Self::Failed(failure(given)?),
            Self::InDoubt(given) => Self::InDoubt(failure(given)?),
            Self::UndoFailed(given) => Self::UndoFailed(failure(given)?),
            Self::ScopeUnwinding(why) => {
                let TryFailure { node, failure: given } = Arc::unwrap_or_clone(why);
                let failure = Arc::unwrap_or_clone(failure(given.into())?);
                Self::ScopeUnwinding(TryFailure { node, failure }.into())
            }
            Self::UndoRetryScheduled { at, failure: given } => {
                Self::UndoRetryScheduled { at, failure: failure(given)? }
            }
            entry @ (Self::Started
            | Self::NotDone
            | Self::RetryScheduled { .. }
            | Self::Chosen(_)
            | Self::Skipped
            | Self::UndoStarted
            | Self::UndoFinished
            | Self::Resolved(_)
            | Self::Waiting { .. }
            | Self::Waited(_)) => entry,
        })
    }

    /// What the attempt that it is about has come to; none if it says nothing about an attempt.
    pub(crate) fn attempt_state(&self) -> Option<ActionState> {
        match self {
            Self::Started => Some(ActionState::Running),
            Self::Succeeded(_) => Some(ActionState::Completed),
            Self::Failed(_) | Self::InDoubt(_) | Self::NotDone => Some(ActionState::Failed),
            Self::UndoStarted => Some(ActionState::Undoing),
            Self::UndoFinished => Some(ActionState::Undone),
            Self::UndoFailed(_) | Self::UndoRetryScheduled { .. } => Some(ActionState::UndoFailed),
            Self::RetryScheduled { .. }
            | Self::Chosen(_)
            | Self::ScopeUnwinding(_)
            | Self::Skipped
            | Self::Resolved(_)
            | Self::Waiting { .. }
            | Self::Waited(_) => None,
        }
    }

    /// True if it says that the node's effect is not there any more.
    pub(crate) fn ends_effect(&self) -> bool {
        match self {
            Self::UndoFinished | Self::Resolved(_) => true,
            Self::Started
            | Self::Succeeded(_)
            | Self::Failed(_)
            | Self::InDoubt(_)
            | Self::NotDone
            | Self::RetryScheduled { .. }
            | Self::Chosen(_)
            | Self::ScopeUnwinding(_)
            | Self::Skipped
            | Self::UndoStarted
            | Self::UndoFailed(_)
            | Self::UndoRetryScheduled { .. }
            | Self::Waiting { .. }
            | Self::Waited(_) => false,
        }
    }

    /// The event of the node that it records, if it is one of the six.
    pub(crate) fn event(&self) -> Option<SagaNodeEventType> {
        Some(match self {
            Self::Started => SagaNodeEventType::Started,
            Self::Succeeded(output) => SagaNodeEventType::Succeeded(value_of(output)),
            Self::Failed(failure) | Self::InDoubt(failure) => {
                SagaNodeEventType::Failed(failure.message.clone())
            }
            Self::UndoStarted => SagaNodeEventType::UndoStarted,
            Self::UndoFinished => SagaNodeEventType::UndoFinished,
            Self::UndoFailed(failure) => SagaNodeEventType::UndoFailed(failure.message.clone()),
            Self::NotDone
            | Self::RetryScheduled { .. }
            | Self::Chosen(_)
            | Self::ScopeUnwinding(_)
            | Self::Skipped
            | Self::UndoRetryScheduled { .. }
            | Self::Resolved(_)
            | Self::Waiting { .. }
            | Self::Waited(_) => return None,
        })
    }

    /// The status of its node after it, if it is one of the six events of a node.
    pub(crate) fn load_status(&self) -> Option<SagaNodeLoadStatus> {
        match self {
            Self::Started => Some(SagaNodeLoadStatus::Started),
            Self::Succeeded(_) => Some(SagaNodeLoadStatus::Succeeded),
            Self::Failed(_) | Self::InDoubt(_) => Some(SagaNodeLoadStatus::Failed),
            Self::UndoStarted => Some(SagaNodeLoadStatus::UndoStarted),
            Self::UndoFinished => Some(SagaNodeLoadStatus::UndoFinished),
            Self::UndoFailed(_) => Some(SagaNodeLoadStatus::UndoFailed),
            Self::NotDone
            | Self::RetryScheduled { .. }
            | Self::Chosen(_)
            | Self::ScopeUnwinding(_)
            | Self::Skipped
            | Self::UndoRetryScheduled { .. }
            | Self::Resolved(_)
            | Self::Waiting { .. }
            | Self::Waited(_) => None,
        }
    }

    pub(super) fn message(&self) -> Option<String> {
        match self {
            Self::Resolved(how) => Some(format!("by {}: {}", how.by, how.note)),
            Self::Chosen(n) => Some(n.to_string()),
            Self::Waiting { until } => until.iter().min().map(|at| format!("until {at}")),
            Self::Waited(Won { event: Some(seq), .. }) => {
                Some(format!("for the event of entry {seq}"))
            }
            Self::Waited(Won { event: None, .. }) => Some("its time is up".to_string()),
            Self::ScopeUnwinding(why) => Some(why.to_string()),
            Self::Failed(_)
            | Self::InDoubt(_)
            | Self::UndoFailed(_)
            | Self::UndoRetryScheduled { .. }
            | Self::Started
            | Self::Succeeded(_)
            | Self::NotDone
            | Self::RetryScheduled { .. }
            | Self::Skipped
            | Self::UndoStarted
            | Self::UndoFinished => self.failure().map(|failure| failure.message.clone()),
        }
    }

    /// That a call begins is no progress: it may be the call that kills the process.
    pub(super) fn is_progress(&self) -> bool {
        !self.is_start()
    }
}
