//! Without the feature `testing`, no expression is evaluated more often than it is needed.

use super::Environment;
use crate::action::AnyAction;
use crate::context::{ActionContext, AnyContext};
use crate::dag::Compute;
use crate::error::ActionError;
use crate::log::{NodePath, SagaId};
use crate::value::ActionOutput;

/// Nobody compares evaluations.
#[derive(Clone)]
pub(crate) struct Evaluations;

impl Evaluations {
    pub(super) fn none() -> Self {
        Self
    }

    pub(crate) fn of(_env: &Environment, _saga: &SagaId) -> Self {
        Self
    }

    pub(super) fn arguments(
        &self,
        _node: &NodePath,
        _action: &AnyAction,
        _cx: impl Fn() -> ActionContext<AnyContext>,
    ) {
    }

    pub(super) fn value(
        &self,
        _node: impl FnOnce() -> NodePath,
        _computed: &dyn Compute,
        _evaluate: impl Fn() -> Result<ActionOutput, ActionError>,
    ) {
    }

    pub(super) fn params(
        &self,
        _node: impl FnOnce() -> NodePath,
        _evaluate: impl Fn() -> Result<ActionOutput, ActionError>,
    ) {
    }

    pub(super) fn decision(
        &self,
        _node: impl FnOnce() -> NodePath,
        _is_width: bool,
        _evaluate: impl Fn() -> Result<u64, ActionError>,
    ) {
    }
}
