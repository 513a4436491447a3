//! How far a vertex has come on its way forward: what it is doing, and whether an attempt is in doubt.

use crate::planted::{Mistake, planted};

/// How far a vertex has come on its way forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Open(Activity),
    Completed,
    Skipped,
}

/// What a vertex that has not completed is doing. `doubt` says that an attempt which is over may have taken
/// effect; a vertex that has completed is never in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activity {
    /// Nothing yet, or nothing any more: it has never started, an operator said to try it again, or its undo
    /// started while an attempt had no outcome.
    Idle { doubt: bool },
    /// The last attempt has started and has no outcome yet.
    Running { doubt: bool },
    /// The last attempt failed or is in doubt.
    Failed { doubt: bool },
    /// The same, and it is known when the next attempt is due.
    RetryScheduled { doubt: bool },
    /// It was asked, and did not take effect. It is to be run again, which it was to be anyway.
    NotDone,
    /// It is a wait that has begun. There is no call, and nothing that could be in doubt.
    Waiting,
}

impl Progress {
    /// True if it has not completed.
    pub(super) fn is_open(self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// True if it has started and has no outcome yet.
    pub(super) fn is_running(self) -> bool {
        matches!(self, Self::Open(Activity::Running { .. }))
    }

    /// True if the last attempt failed or is in doubt, whether or not it is to be tried again.
    pub(super) fn has_failed(self) -> bool {
        matches!(self, Self::Open(Activity::Failed { .. } | Activity::RetryScheduled { .. }))
    }

    /// True if the last attempt failed or is in doubt, and no other one is scheduled.
    pub(super) fn is_given_up(self) -> bool {
        matches!(self, Self::Open(Activity::Failed { .. }))
    }

    /// True if the next attempt is scheduled.
    pub(super) fn is_scheduled(self) -> bool {
        matches!(self, Self::Open(Activity::RetryScheduled { .. }))
    }

    /// True if it is a wait that has begun and not ended.
    pub(super) fn is_waiting(self) -> bool {
        matches!(self, Self::Open(Activity::Waiting))
    }

    /// True if an attempt that is over may have taken effect.
    pub(super) fn has_doubt(self) -> bool {
        match self {
            Self::Open(
                Activity::Idle { doubt }
                | Activity::Running { doubt }
                | Activity::Failed { doubt }
                | Activity::RetryScheduled { doubt },
            ) => doubt,
            Self::Open(Activity::NotDone | Activity::Waiting) => false,
            Self::Completed | Self::Skipped => false,
        }
    }

    /// True if an attempt, over or not, may have taken effect.
    pub(super) fn is_in_doubt(self) -> bool {
        self.is_running() || self.has_doubt()
    }

    /// The next attempt starts. One that has no outcome until now never gets one, and may have taken effect if attempts
    /// of this vertex can leave doubt.
    pub(super) fn start(&mut self, leaves_doubt: bool) {
        let doubt = leaves_doubt && self.is_in_doubt();
        let doubt = doubt && !planted(Mistake::DoubtClearedByStart);
        *self = Self::Open(Activity::Running { doubt });
    }

    /// The last attempt failed or is in doubt. A retry that was scheduled is not made: only an operator's decision can
    /// come while one is.
    pub(super) fn fail(&mut self, doubt: bool) {
        *self = Self::Open(Activity::Failed { doubt });
    }

    /// It was asked, and no attempt took effect. One that had failed for the last time stays failed.
    pub(super) fn not_done(&mut self) {
        let keeps = planted(Mistake::NotDoneKeepsDoubt);
        *self = Self::Open(match *self {
            Self::Open(Activity::Failed { .. }) => Activity::Failed { doubt: keeps },
            // an operator has said to try it again, or its undo has begun
            Self::Open(Activity::Idle { .. }) => Activity::Idle { doubt: keeps },
            Self::Open(Activity::Running { .. } | Activity::RetryScheduled { .. }) if keeps => {
                Activity::Idle { doubt: true }
            }
            Self::Open(
                Activity::Running { .. }
                | Activity::RetryScheduled { .. }
                | Activity::NotDone
                | Activity::Waiting,
            )
            | Self::Completed
            | Self::Skipped => Activity::NotDone,
        });
    }

    /// An attempt that runs is given up without an outcome. It is in doubt if attempts of this vertex can be.
    pub(super) fn abandon(&mut self, leaves_doubt: bool) {
        if self.is_running() {
            *self = Self::Open(Activity::Idle { doubt: leaves_doubt });
        }
    }
}
