//! How long sagas, calls and appends take: the histograms of the feature `metrics`. Without it nothing is measured.

use std::time::Instant;

use super::call::CallEnd;
use crate::context::ContextInner;
use crate::log::{NodePath, SagaStatus, Timestamp};
use crate::probe::Probe;

/// When the call or the append in flight began.
#[derive(Default)]
pub(super) struct Stopwatch(Option<Instant>);

impl Stopwatch {
    pub(super) fn start(&mut self) {
        self.0.get_or_insert_with(Instant::now);
    }

    /// An append has ended, whether or not it succeeded.
    pub(super) fn append_ended(&mut self, saga: &str, is_durable: bool) {
        let Some(began) = self.0.take() else { return };
        let outcome = if is_durable { "ok" } else { "failed" };
        let labels = [("saga", saga.to_string()), ("outcome", outcome.to_string())];
        metrics::histogram!("saga_append_seconds", &labels).record(began.elapsed());
    }

    pub(super) fn call_ended(&mut self, call: &ContextInner, end: &CallEnd) {
        let Some(began) = self.0.take() else { return };
        let (kind, outcome) = match end {
            CallEnd::Action(Ok(_)) => ("action", "ok"),
            CallEnd::Action(Err(failed)) if failed.in_doubt => ("action", "in_doubt"),
            CallEnd::Action(Err(_)) => ("action", "failed"),
            CallEnd::Undo(Ok(())) => ("undo", "ok"),
            CallEnd::Undo(Err(_)) => ("undo", "failed"),
            CallEnd::Probe(Ok(Probe::Done(_))) => ("probe", "done"),
            CallEnd::Probe(Ok(Probe::NotDone)) => ("probe", "not_done"),
            CallEnd::Probe(Ok(Probe::Unknown)) => ("probe", "unknown"),
            CallEnd::Probe(Err(_)) => ("probe", "failed"),
        };
        let labels = [
            ("saga", call.run.saga.to_string()),
            ("node", without_items(&call.call.path)),
            ("kind", kind.to_string()),
            ("outcome", outcome.to_string()),
        ];
        metrics::histogram!("saga_call_seconds", &labels).record(began.elapsed());
    }
}

/// When a saga was created.
pub(super) struct CreationTime(Timestamp);

impl CreationTime {
    pub(super) fn at(at: Timestamp) -> Self {
        Self(at)
    }

    pub(super) fn saga_ended(&self, saga: &str, status: SagaStatus, at: Timestamp) {
        let labels = [("saga", saga.to_string()), ("status", status.as_str().to_string())];
        let millis = at.0.saturating_sub(self.0.0);
        metrics::histogram!("saga_duration_seconds", &labels).record(millis as f64 / 1000.0);
    }
}

/// The path without the numbers of items: a label that a `for` over many items multiplies would be a burden for whoever
/// stores the metrics.
fn without_items(path: &NodePath) -> String {
    let mut parts = path.as_str().split('[');
    let mut label = parts.next().unwrap_or_default().to_string();
    for part in parts {
        label.push_str("[]");
        label.push_str(part.split_once(']').map_or("", |(_, rest)| rest));
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_items_of_a_for_have_one_label() {
        assert_eq!(without_items(&"disks[12]/volumes[0]/mount".into()), "disks[]/volumes[]/mount");
        assert_eq!(without_items(&"pay#1/charge".into()), "pay#1/charge");
    }
}
