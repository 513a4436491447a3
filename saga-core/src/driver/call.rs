//! One call of an action or an undo: with its timeout, its panics caught, and a way to drop it.

use std::collections::HashMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{AbortHandle, Abortable, BoxFuture};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use super::panics;
use super::slots::Room;
use crate::action::{Action, ActionOutput, Failed, Value};
use crate::context::ActionContext;
use crate::error::{ActionError, UndoError};
use crate::log::{Failure, NodePath};
use crate::machine::VertexId;

/// How a call ended.
pub(super) enum CallEnd {
    Action(Result<ActionOutput, Failed>),
    Undo(Result<(), UndoError>),
}

type Running = Abortable<BoxFuture<'static, (VertexId, CallEnd)>>;

/// The calls of one saga that are in flight.
#[derive(Default)]
pub(super) struct Calls {
    running: FuturesUnordered<Running>,
    handles: HashMap<VertexId, AbortHandle>,
}

impl Calls {
    pub(super) fn add(
        &mut self,
        vertex: VertexId,
        room: Option<Room>,
        call: impl Future<Output = CallEnd> + Send + 'static,
    ) {
        let (handle, registration) = AbortHandle::new_pair();
        let call = async move {
            let end = call.await;
            drop(room);
            (vertex, end)
        };
        let call = call.boxed();
        self.running.push(Abortable::new(call, registration));
        self.handles.insert(vertex, handle);
    }

    /// Drops a call: it is never polled again, and its end is never reported.
    pub(super) fn drop_call(&mut self, vertex: VertexId) {
        if let Some(handle) = self.handles.remove(&vertex) {
            handle.abort();
        }
    }

    /// The nodes whose calls are in flight.
    pub(super) fn vertices(&self) -> impl Iterator<Item = VertexId> {
        self.handles.keys().copied()
    }

    pub(super) fn is_in_flight(&self, vertex: VertexId) -> bool {
        self.handles.contains_key(&vertex)
    }

    /// All calls that have ended by now.
    pub(super) fn poll_ended(
        &mut self,
        task: &mut Context<'_>,
        ended: &mut Vec<(VertexId, CallEnd)>,
    ) {
        while let Poll::Ready(Some(call)) = self.running.poll_next_unpin(task) {
            if let Ok((vertex, end)) = call {
                self.handles.remove(&vertex);
                ended.push((vertex, end));
            }
        }
    }
}

/// Runs an action, so many times in a row. A timeout and a panic leave it in doubt: its effect may have happened.
pub(super) async fn action<C: Send + Sync + 'static>(
    action: Arc<dyn Action<C>>,
    cx: ActionContext<C>,
    max_payload: usize,
    repeat: u32,
) -> CallEnd {
    for _ in 1..repeat {
        let end = action_once(action.clone(), cx.clone(), max_payload).await;
        if matches!(end, CallEnd::Action(Err(_))) {
            return end;
        }
    }
    action_once(action, cx, max_payload).await
}

async fn action_once<C: Send + Sync + 'static>(
    action: Arc<dyn Action<C>>,
    cx: ActionContext<C>,
    max_payload: usize,
) -> CallEnd {
    let timeout = action.timeouts().action;
    let result = match guarded(async { action.do_it(cx).await }, timeout).await {
        Ok(Ok(output)) => match check_size(&output, max_payload) {
            Ok(()) => Ok(output),
            Err(error) => Err(Failed::unstorable(error, output.value)),
        },
        Ok(Err(failed)) => Err(failed),
        Err(cut) => Err(Failed::from(cut).in_doubt()),
    };
    CallEnd::Action(result)
}

/// Runs an undo, so many times in a row.
pub(super) async fn undo<C: Send + Sync + 'static>(
    action: Arc<dyn Action<C>>,
    cx: ActionContext<C>,
    output: Option<Value>,
    repeat: u32,
) -> CallEnd {
    for _ in 1..repeat {
        let end = undo_once(action.clone(), cx.clone(), output.clone()).await;
        if matches!(end, CallEnd::Undo(Err(_))) {
            return end;
        }
    }
    undo_once(action, cx, output).await
}

async fn undo_once<C: Send + Sync + 'static>(
    action: Arc<dyn Action<C>>,
    cx: ActionContext<C>,
    output: Option<Value>,
) -> CallEnd {
    let timeout = action.timeouts().undo;
    let result = match guarded(async { action.undo_it(cx, output).await }, timeout).await {
        Ok(result) => result,
        Err(cut) => Err(UndoError::Retryable(cut)),
    };
    CallEnd::Undo(result)
}

/// An output over the limit cannot be stored.
pub(super) fn check_size(output: &ActionOutput, max: usize) -> Result<(), ActionError> {
    let size = output.payload.len();
    if size <= max {
        return Ok(());
    }
    let message = format!(
        "the output has {size} bytes, more than the limit of {max}; raise `Limits::max_payload`"
    );
    Err(ActionError::SerializeFailed { message })
}

/// The same for an output that a human gives.
pub(super) fn check_len(node: &NodePath, size: usize, max: usize) -> Result<(), String> {
    if size <= max {
        return Ok(());
    }
    Err(format!(
        "the output of node `{node}` has {size} bytes, more than the limit of {max}; raise \
         `Limits::max_payload`"
    ))
}

/// As much of an error as the log has room for.
pub(super) fn fit(failure: Failure, max: usize) -> Failure {
    let cut = |mut text: String| {
        if text.len() > max {
            text.truncate(text.floor_char_boundary(max));
            text.push('…');
        }
        text
    };
    let fits = |error: &serde_json::Value| serde_json::to_vec(error).is_ok_and(|e| e.len() <= max);
    Failure {
        message: cut(failure.message),
        sources: failure.sources.into_iter().map(cut).collect(),
        error: failure.error.filter(fits),
        ..failure
    }
}

async fn guarded<T>(
    call: impl Future<Output = T> + Send,
    timeout: Option<Duration>,
) -> Result<T, ActionError> {
    let call = Contained(Some(Box::pin(call)));
    let ended = match timeout {
        None => call.await,
        Some(limit) => match tokio::time::timeout(limit, call).await {
            Ok(ended) => ended,
            Err(_) => {
                let message = format!("timed out after {limit:?}");
                return Err(ActionError::TimedOut { message });
            }
        },
    };
    ended.map_err(|message| ActionError::Panicked { message })
}

/// A future of the user's, whose panics go no further: neither those of its code nor those of what it
/// drops, also when it is dropped in the middle.
struct Contained<F>(Option<Pin<Box<F>>>);

impl<F: Future> Future for Contained<F> {
    type Output = Result<F::Output, String>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(call) = &mut self.0 else { return Poll::Pending };
        match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(task))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panics::describe(&*panic))),
        }
    }
}

impl<F> Drop for Contained<F> {
    fn drop(&mut self) {
        let call = self.0.take();
        // how the call ended, or that it was cut off, is known by now; there is nothing to add
        let _ = catch_unwind(AssertUnwindSafe(|| drop(call)));
    }
}
