//! Calls that block their thread: nothing else runs there meanwhile, and no timeout and no shutdown reaches
//! them. A warning is logged.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

use crate::log::{NodePath, SagaId};

/// How long one poll of a call may take.
const LONG: Duration = Duration::from_secs(1);

/// Which call it is.
pub(super) struct CallLabel {
    pub(super) id: SagaId,
    pub(super) saga: Arc<str>,
    pub(super) node: NodePath,
    pub(super) attempt: u32,
}

/// A call whose polls are timed. It is warned about once, however often it blocks.
pub(super) struct TimedPolls<T> {
    call: BoxFuture<'static, T>,
    label: Option<CallLabel>,
}

impl<T> TimedPolls<T> {
    pub(super) fn new(call: BoxFuture<'static, T>, label: CallLabel) -> Self {
        Self { call, label: Some(label) }
    }
}

impl<T> Future for TimedPolls<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        // real time: a clock that a test has paused does not advance during a poll
        let began = Instant::now();
        let polled = self.call.as_mut().poll(cx);
        let took = began.elapsed();
        if took > LONG
            && let Some(CallLabel { id, saga, node, attempt }) = self.label.take()
        {
            let (node, millis) =
                (node.as_str(), u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
            tracing::warn!(
                target: "saga_core", %id, saga = &*saga, node, attempt, millis,
                "a call blocked its thread; use `tokio::task::spawn_blocking` for what takes long"
            );
        }
        polled
    }
}
