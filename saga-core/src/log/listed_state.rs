//! What a saga is doing, as lists show it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::SagaStatus;

/// What a saga is doing, as lists show it and filters select it: its [`SagaStatus`], or that it is halted. A saga that is
/// parked or paused has not ended.
///
/// ```
/// use saga_core::operator::ListedState;
/// assert_eq!(ListedState::RollingBack.to_string(), "rolling_back");
/// assert_eq!("parked".parse(), Ok(ListedState::Parked));
/// assert_eq!(serde_json::to_string(&ListedState::Stuck)?, "\"stuck\"");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListedState {
    /// Ended, with effects that remain or may remain; an operator resolves it.
    Stuck,
    /// Waits for an operator. Whether it was going forward or rolling back is its status.
    Parked,
    /// An operator has paused it.
    Paused,
    /// Going forward, with nothing to do until its time comes, or until somebody asks something of it: no worker keeps it
    /// in memory.
    Waiting,
    /// Going forward.
    Running,
    /// Something has failed for good, or somebody has cancelled it: it is going to roll back, and actions in flight may still
    /// end. One that has ended is [`RolledBack`](Self::RolledBack) or [`Stuck`](Self::Stuck).
    Failed,
    /// Undo actions run.
    RollingBack,
    /// Ended: every effect is there.
    Completed,
    /// Ended: no effect is left.
    RolledBack,
}

/// Why a saga that has not ended does nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Halted {
    /// It waits for an operator.
    pub(crate) parked: bool,
    /// An operator has paused it.
    pub(crate) paused: bool,
    /// It is [suspended](crate::store::SagaRecord::suspended).
    pub(crate) suspended: bool,
}

impl ListedState {
    /// All of them, in the order in which lists of counts show them: what needs a human comes first.
    pub const ALL: [Self; 9] = [
        Self::Stuck,
        Self::Parked,
        Self::Paused,
        Self::Waiting,
        Self::Running,
        Self::Failed,
        Self::RollingBack,
        Self::Completed,
        Self::RolledBack,
    ];

    /// The state of a saga with this status. Of one that is both parked and paused, being parked is what counts; one that
    /// has ended is neither. A saga that is suspended while it rolls back is still rolling back.
    pub(crate) fn of(status: SagaStatus, halted: Halted) -> Self {
        let Halted { parked, paused, suspended } = halted;
        match status {
            SagaStatus::Completed => Self::Completed,
            SagaStatus::RolledBack => Self::RolledBack,
            SagaStatus::Stuck => Self::Stuck,
            SagaStatus::Running | SagaStatus::Failed | SagaStatus::RollingBack if parked => {
                Self::Parked
            }
            SagaStatus::Running | SagaStatus::Failed | SagaStatus::RollingBack if paused => {
                Self::Paused
            }
            SagaStatus::Running if suspended => Self::Waiting,
            SagaStatus::Running => Self::Running,
            SagaStatus::Failed => Self::Failed,
            SagaStatus::RollingBack => Self::RollingBack,
        }
    }

    /// The word that is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stuck => "stuck",
            Self::Parked => "parked",
            Self::Paused => "paused",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Failed => "failed",
            Self::RollingBack => "rolling_back",
            Self::Completed => "completed",
            Self::RolledBack => "rolled_back",
        }
    }

    /// What the word means, as a clause for help texts.
    ///
    /// ```
    /// use saga_core::operator::ListedState;
    /// let help = ListedState::ALL.map(|state| format!("{state}: {}", state.meaning()));
    /// assert_eq!(help[0], "stuck: has ended, and effects remain or may remain that somebody has to deal with");
    /// ```
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Stuck => {
                "has ended, and effects remain or may remain that somebody has to deal with"
            }
            Self::Parked => "does nothing until somebody decides or unparks it",
            Self::Paused => "does nothing new until somebody resumes it",
            Self::Waiting => "waits for a time or an event, and nothing else",
            Self::Running => "goes forward",
            Self::Failed => "is going to roll back, and waits for calls that are still in flight",
            Self::RollingBack => "undoes what it has done",
            Self::Completed => "has ended, with all of its effects",
            Self::RolledBack => "has ended, with none of its effects",
        }
    }

    /// True if the saga has ended.
    pub fn is_ended(self) -> bool {
        match self {
            Self::Stuck | Self::Completed | Self::RolledBack => true,
            Self::Parked
            | Self::Paused
            | Self::Waiting
            | Self::Running
            | Self::Failed
            | Self::RollingBack => false,
        }
    }
}

impl fmt::Display for ListedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is not the state of a saga.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a saga is never {0:?}; its state is stuck, parked, paused, waiting, running, failed, rolling_back, completed or rolled_back"
)]
pub struct InvalidListedState(pub String);

impl FromStr for ListedState {
    type Err = InvalidListedState;

    fn from_str(s: &str) -> Result<Self, InvalidListedState> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == s);
        found.ok_or_else(|| InvalidListedState(s.to_string()))
    }
}
