//! Who started a saga, for the traces of the feature `opentelemetry`.
//!
//! A saga may outlive the request that started it by days, and its process too, so its spans are no children of that request's
//! span. They are linked to it instead, as the conventions for messages do it: each run of the saga in a process, and each call.
//! What the links point to is kept in the log, in the form of the W3C's `traceparent`.

use std::sync::Arc;

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::CallKind;
use crate::log::{Entry, EntryKind, NodePath, SagaEntry, SagaId};

/// The span that started a saga, if there was one.
pub(crate) struct Origin(Option<SpanContext>);

impl Origin {
    /// The span that this code runs in.
    pub(crate) fn current() -> Self {
        let context = Span::current().context();
        let span = context.span();
        let span = span.span_context();
        Self(span.is_valid().then(|| span.clone()))
    }

    /// What the saga's first entry says.
    pub(crate) fn of_log(log: &[Entry]) -> Self {
        let kind = log.first().map(|entry| &entry.kind);
        match kind {
            Some(EntryKind::Saga(SagaEntry::Created { traceparent: Some(text), .. })) => {
                Self(parse(text))
            }
            Some(EntryKind::Saga(_) | EntryKind::Node { .. }) | None => Self(None),
        }
    }

    /// Notes it in the saga's first entry.
    pub(super) fn note(&self, entry: Option<&mut Entry>) {
        let Some(span) = &self.0 else { return };
        let (trace, id) = (span.trace_id(), span.span_id());
        let flags = span.trace_flags().to_u8();
        let kind = entry.map(|entry| &mut entry.kind);
        if let Some(EntryKind::Saga(SagaEntry::Created { traceparent, .. })) = kind {
            *traceparent = Some(format!("00-{trace}-{id}-{flags:02x}").into());
        }
    }

    /// Links a span of the saga to the one that started it.
    pub(crate) fn link(&self, span: &Span) {
        if let Some(origin) = &self.0 {
            span.add_link(origin.clone());
        }
    }
}

/// The span of a saga, as long as this process runs it. In traces it is called what the saga is called.
pub(crate) fn saga_span(id: &SagaId, name: &str) -> Span {
    tracing::info_span!(target: "saga_core", "saga", %id, saga = name, otel.name = name)
}

/// The span of a call. In traces it is called what its node is called.
pub(super) fn call_span(node: &NodePath, attempt: u32, kind: CallKind) -> Span {
    let undo = kind == CallKind::Undo;
    let span = tracing::info_span!(
        target: "saga_core", "node",
        // a number: the layer writes only signed ones as such
        %node, attempt = i64::from(attempt), undo,
        otel.name = node.as_str(), otel.status_code = Empty, otel.status_description = Empty
    );
    let name = match kind {
        CallKind::Action => None,
        CallKind::Undo => Some("undo"),
        CallKind::Probe => Some("probe"),
    };
    if let Some(name) = name.filter(|_| !span.is_disabled()) {
        span.record("otel.name", format!("{name} {node}").as_str());
    }
    span
}

/// Says of the span of a call that it has failed.
pub(crate) fn call_failed(span: &Span, why: &str) {
    span.record("otel.status_code", "ERROR");
    span.record("otel.status_description", why);
}

/// A `traceparent` of version 00. `None` if it is none.
fn parse(text: &Arc<str>) -> Option<SpanContext> {
    let mut parts = text.split('-');
    let (version, trace, id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let (trace, id) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(id).ok()?);
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let span = SpanContext::new(trace, id, flags, true, TraceState::default());
    (version == "00" && parts.next().is_none() && span.is_valid()).then_some(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_traceparent_is_read() {
        let whole = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let span = parse(&whole.into()).unwrap();
        assert_eq!(span.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(span.is_sampled() && span.is_remote());
        for wrong in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-zzz92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert!(parse(&wrong.into()).is_none(), "{wrong}");
        }
    }
}
