//! What stands in for `histograms` in programs without the feature `metrics`: nothing, at no cost.

use super::call::CallEnd;
use crate::context::ContextInner;
use crate::log::{SagaStatus, Timestamp};

#[derive(Default)]
pub(super) struct Stopwatch();

impl Stopwatch {
    pub(super) fn start(&mut self) {}

    pub(super) fn append_ended(&mut self, _saga: &str, _is_durable: bool) {}

    pub(super) fn call_ended(&mut self, _call: &ContextInner, _end: &CallEnd) {}
}

pub(super) struct CreationTime();

impl CreationTime {
    pub(super) fn at(_at: Timestamp) -> Self {
        Self()
    }

    pub(super) fn saga_ended(&self, _saga: &str, _status: SagaStatus, _at: Timestamp) {}
}
