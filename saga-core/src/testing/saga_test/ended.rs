//! What an invariant sees.

use std::sync::Arc;

use crate::error::{NodeReport, SagaError};
use crate::typed::Saga;

/// A saga that has completed or was rolled back, for the invariant of a [`SagaTest`](super::SagaTest).
pub struct Ended<S: Saga> {
    context: Arc<S::Context>,
    result: Result<S::Output, SagaError>,
    nodes: Vec<NodeReport>,
}

impl<S: Saga> Ended<S> {
    pub(super) fn new(
        context: Arc<S::Context>,
        result: Result<S::Output, SagaError>,
        nodes: Vec<NodeReport>,
    ) -> Self {
        Self { context, result, nodes }
    }

    /// The context of this run, with whatever stands for the outside world in it.
    pub fn context(&self) -> &S::Context {
        &self.context
    }

    /// The saga's output, or why it was rolled back.
    pub fn result(&self) -> &Result<S::Output, SagaError> {
        &self.result
    }

    /// True if the saga completed, false if it was rolled back.
    pub fn completed(&self) -> bool {
        self.result.is_ok()
    }

    /// What each node did.
    pub fn nodes(&self) -> &[NodeReport] {
        &self.nodes
    }
}
