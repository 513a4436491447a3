//! The words for what a saga and its nodes are doing.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a saga is doing, as stored and shown.
///
/// ```
/// use saga_core::SagaStatus;
/// assert_eq!(serde_json::to_string(&SagaStatus::RollingBack)?, "\"rolling_back\"");
/// assert_eq!("stuck".parse(), Ok(SagaStatus::Stuck));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SagaStatus {
    /// Going forward.
    Running,
    /// Something has failed for good, or somebody has cancelled it: it is going to roll back. Nothing new starts, and the
    /// actions in flight may still end.
    Failed,
    /// Undo actions run.
    RollingBack,
    /// Ended: every effect is there.
    Completed,
    /// Ended: no effect is left (but residue that an operator resolved by hand).
    RolledBack,
    /// Ended, with effects that remain or may remain; an operator resolves it.
    Stuck,
}

impl SagaStatus {
    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Failed => "failed",
            Self::RollingBack => "rolling_back",
            Self::Completed => "completed",
            Self::RolledBack => "rolled_back",
            Self::Stuck => "stuck",
        }
    }

    /// True for the statuses that an `ended` entry can carry.
    pub fn is_ended(self) -> bool {
        match self {
            Self::Completed | Self::RolledBack | Self::Stuck => true,
            Self::Running | Self::Failed | Self::RollingBack => false,
        }
    }

    /// True if the saga has ended and did not complete.
    pub(crate) fn ended_without_completing(self) -> bool {
        match self {
            Self::RolledBack | Self::Stuck => true,
            Self::Running | Self::Failed | Self::RollingBack | Self::Completed => false,
        }
    }
}

impl fmt::Display for SagaStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is not a status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid SagaStatus: {0}")]
pub struct InvalidSagaStatus(pub String);

impl FromStr for SagaStatus {
    type Err = InvalidSagaStatus;
    fn from_str(s: &str) -> Result<Self, InvalidSagaStatus> {
        use SagaStatus::{Completed, Failed, RolledBack, RollingBack, Running, Stuck};
        [Running, Failed, RollingBack, Completed, RolledBack, Stuck]
            .into_iter()
            .find(|status| status.as_str() == s)
            .ok_or_else(|| InvalidSagaStatus(s.to_string()))
    }
}

/// The state of one node, as shown in errors and listings.
///
/// ```
/// use saga_core::ActionState;
/// assert_eq!(ActionState::UndoFailed.to_string(), "undo_failed");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionState {
    /// Not started.
    Pending,
    /// Started; no outcome yet.
    Running,
    /// Waits for an event or a time.
    Waiting,
    /// Has its output.
    Completed,
    /// Its last attempt failed.
    Failed,
    /// Its last attempt has ended, and nobody knows whether it took effect.
    InDoubt,
    /// Its undo runs.
    Undoing,
    /// Its effect is gone.
    Undone,
    /// Its undo failed, and an operator has said that somebody dealt with its effect.
    Resolved,
    /// Its effect remains or may remain.
    UndoFailed,
    /// Will not run. No saga has such a node yet: those of an arm that was not chosen are not listed.
    Skipped,
}

impl fmt::Display for ActionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::InDoubt => "in_doubt",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
            Self::Resolved => "resolved",
            Self::UndoFailed => "undo_failed",
            Self::Skipped => "skipped",
        })
    }
}
