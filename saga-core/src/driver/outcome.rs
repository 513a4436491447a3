//! How a saga stands, as its handles see it.

use std::sync::Arc;

use crate::action::ActionOutput;
use crate::error::SagaError;
use crate::log::SagaStatus;

/// How a saga ended; an output that is `None` stands for `()`.
pub(crate) type Outcome = Result<Option<ActionOutput>, SagaError>;

/// What handles watch.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    pub(crate) status: SagaStatus,
    /// There once this process is done with the saga.
    pub(crate) outcome: Option<Arc<Outcome>>,
}

impl Progress {
    /// This process has nothing to do with the saga (any more).
    pub(crate) fn over(outcome: Outcome) -> Self {
        Self { status: SagaStatus::Running, outcome: Some(Arc::new(outcome)) }
    }

    /// True once the saga has ended, or this process runs no sagas any more.
    pub(super) fn is_last(&self) -> bool {
        match self.outcome.as_deref() {
            Some(Err(SagaError::ShutDown { .. })) => true,
            outcome => outcome.is_some() && self.status.is_ended(),
        }
    }
}
