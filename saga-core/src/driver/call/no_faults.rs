//! Without the feature `testing`, nothing is done to calls.

use std::sync::Arc;
use std::time::Duration;

use super::CallKind;
use super::timeout::{ActionFuture, ProbeFuture, UndoFuture};
use crate::action::AnyAction;
use crate::context::{ActionContext, AnyContext, CallInfo};
use crate::dag::AnyNode;
use crate::driver::Environment;
use crate::log::SagaId;
use crate::value::Value;

/// There is none.
pub(super) enum InjectedFault {}

impl InjectedFault {
    pub(super) fn of(
        _env: &Environment,
        _saga: (&SagaId, &str),
        _node: &AnyNode,
        _action: &Arc<AnyAction>,
        _info: &CallInfo,
        _kind: CallKind,
    ) -> Option<Box<Self>> {
        None
    }

    pub(super) fn action<'a>(
        self,
        _cx: ActionContext<AnyContext>,
        _limit: Option<Duration>,
    ) -> ActionFuture<'a> {
        match self {}
    }

    pub(super) fn probe<'a>(self, _cx: ActionContext<AnyContext>) -> ProbeFuture<'a> {
        match self {}
    }

    pub(super) fn undo<'a>(
        self,
        _cx: ActionContext<AnyContext>,
        _output: Option<Value>,
        _limit: Option<Duration>,
    ) -> UndoFuture<'a> {
        match self {}
    }
}
