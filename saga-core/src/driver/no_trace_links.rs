//! What stands in for `trace_links` in programs without the feature `opentelemetry`: nothing, at no cost.

use tracing::Span;

use super::CallKind;
use crate::log::{Entry, NodePath, SagaId};

pub(crate) struct Origin();

impl Origin {
    pub(crate) fn current() -> Self {
        Self()
    }

    pub(crate) fn of_log(_log: &[Entry]) -> Self {
        Self()
    }

    pub(super) fn note(&self, _entry: Option<&mut Entry>) {}

    pub(crate) fn link(&self, _span: &Span) {}
}

/// The span of a saga, as long as this process runs it.
pub(crate) fn saga_span(id: &SagaId, name: &str) -> Span {
    tracing::info_span!(target: "saga_core", "saga", %id, saga = name)
}

/// The span of a call.
pub(super) fn call_span(node: &NodePath, attempt: u32, kind: CallKind) -> Span {
    let undo = kind == CallKind::Undo;
    match kind {
        CallKind::Action | CallKind::Undo => {
            tracing::info_span!(target: "saga_core", "node", %node, attempt, undo)
        }
        CallKind::Probe => tracing::info_span!(target: "saga_core", "probe", %node, attempt),
    }
}

pub(crate) fn call_failed(_span: &Span, _why: &str) {}
