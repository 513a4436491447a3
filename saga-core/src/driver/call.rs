//! One call of an action or an undo: with its timeout, its panics caught, and a way to drop it.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{AbortHandle, Abortable, BoxFuture};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use super::panics;
use crate::action::{Action, ActionOutput, Failed, Value};
use crate::context::ActionContext;
use crate::error::{ActionError, UndoError};
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
        call: impl Future<Output = CallEnd> + Send + 'static,
    ) {
        let (handle, registration) = AbortHandle::new_pair();
        let call = async move { (vertex, call.await) }.boxed();
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

/// Runs an action once. A timeout and a panic leave it in doubt: its effect may have happened.
pub(super) async fn action<C: Send + Sync + 'static>(
    action: Arc<dyn Action<C>>,
    cx: ActionContext<C>,
    max_payload: usize,
) -> CallEnd {
    let timeout = action.timeouts().action;
    let result = match guarded(async { action.do_it(cx).await }, timeout).await {
        Ok(Ok(output)) if output.payload.len() > max_payload => {
            let size = output.payload.len();
            let message =
                format!("the output has {size} bytes, more than the limit of {max_payload}");
            Err(Failed::unstorable(ActionError::SerializeFailed { message }, output.value))
        }
        Ok(result) => result,
        Err(cut) => Err(Failed::from(cut).in_doubt()),
    };
    CallEnd::Action(result)
}

/// Runs an undo once.
pub(super) async fn undo<C: Send + Sync + 'static>(
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

async fn guarded<T>(
    call: impl Future<Output = T>,
    timeout: Option<Duration>,
) -> Result<T, ActionError> {
    let caught = AssertUnwindSafe(call).catch_unwind();
    let ended = match timeout {
        None => caught.await,
        Some(limit) => match tokio::time::timeout(limit, caught).await {
            Ok(ended) => ended,
            Err(_) => {
                let message = format!("timed out after {limit:?}");
                return Err(ActionError::TimedOut { message });
            }
        },
    };
    ended.map_err(|panic| ActionError::Panicked { message: panics::describe(&*panic) })
}
