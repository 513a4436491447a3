//! Calls that block the thread they run on: nothing else goes on there meanwhile, and no timeout or
//! shutdown reaches them. Whoever runs the program is told.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::log::{NodePath, SagaId};

/// How long a call may go on without an `await` that waits.
const LONG: Duration = Duration::from_secs(1);

/// CallLabel call it is.
pub(super) struct CallLabel {
    pub(super) id: SagaId,
    pub(super) saga: Arc<str>,
    pub(super) node: NodePath,
    pub(super) attempt: u32,
}

/// A call that is timed each time that it is polled. Of one that blocks again and again it is said once.
pub(super) struct TimedPolls<F> {
    call: Pin<Box<F>>,
    label: Option<CallLabel>,
}

impl<F> TimedPolls<F> {
    pub(super) fn new(call: F, label: CallLabel) -> Self {
        Self { call: Box::pin(call), label: Some(label) }
    }
}

impl<F: Future> Future for TimedPolls<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<F::Output> {
        // real time: a test's paused clock stands still in the middle of a poll
        let began = Instant::now();
        let polled = self.call.as_mut().poll(task);
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
