//! Expressions of a saga that are evaluated more often than they are needed, to see whether they are pure (feature
//! `testing`).

use std::sync::Arc;

use super::{CallFaults, Environment};
use crate::action::AnyAction;
use crate::context::{ActionContext, AnyContext};
use crate::dag::Compute;
use crate::error::ActionError;
use crate::log::{NodePath, SagaId};
use crate::panics;
use crate::value::{ActionOutput, Evaluated, Expression};

/// Who compares evaluations; nobody outside of a test.
#[derive(Clone)]
pub(crate) struct Evaluations(Option<Arc<dyn CallFaults>>);

impl Evaluations {
    pub(super) fn none() -> Self {
        Self(None)
    }

    pub(crate) fn of(env: &Environment, saga: &SagaId) -> Self {
        Self(env.faults.clone().filter(|faults| faults.compares_evaluations(saga)))
    }

    /// The arguments of a call.
    pub(super) fn arguments(
        &self,
        node: &NodePath,
        action: &AnyAction,
        cx: impl Fn() -> ActionContext<AnyContext>,
    ) {
        self.compare(|| node.clone(), || action.inputs(cx()));
    }

    /// The value of a computed node.
    pub(super) fn value(
        &self,
        node: impl FnOnce() -> NodePath,
        computed: &dyn Compute,
        evaluate: impl Fn() -> Result<ActionOutput, ActionError>,
    ) {
        let ty = computed.output_type().name;
        self.compare(node, || {
            Some(vec![Evaluated::payload(Expression::Value, &evaluate().ok()?.payload, ty)])
        });
    }

    /// The parameters of a saga that is a node.
    pub(super) fn params(
        &self,
        node: impl FnOnce() -> NodePath,
        evaluate: impl Fn() -> Result<ActionOutput, ActionError>,
    ) {
        self.compare(node, || {
            Some(vec![Evaluated::payload(Expression::Params, &evaluate().ok()?.payload, "")])
        });
    }

    /// How many instances a `for` has, or which arm of an `if` or `match` runs.
    pub(super) fn decision(
        &self,
        node: impl FnOnce() -> NodePath,
        is_width: bool,
        evaluate: impl Fn() -> Result<u64, ActionError>,
    ) {
        let what = if is_width { Expression::Width } else { Expression::Arm };
        self.compare(node, || Some(vec![Evaluated::number(what, evaluate().ok()?)]));
    }

    /// Evaluates expressions of a node twice, and has them compared. What is evaluated here is used for nothing else. What
    /// fails or panics will do so again, where it counts.
    fn compare(
        &self,
        node: impl FnOnce() -> NodePath,
        evaluate: impl Fn() -> Option<Vec<Evaluated>>,
    ) {
        let Some(test) = &self.0 else { return };
        let node = node();
        let evaluate = || panics::contain(&evaluate).ok().flatten().unwrap_or_default();
        test.evaluated(&node, evaluate());
        test.before_next_evaluation();
        test.evaluated(&node, evaluate());
    }
}
