//! One call of an action or an undo: with its timeout, its panics caught, and a way to drop it.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{AbortHandle, Abortable, BoxFuture};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use super::current_call::CurrentCall;
use super::permits::Permit;
use crate::action::{Action, read_back};
use crate::context::ActionContext;
use crate::error::{ActionError, UndoError};
use crate::json::{MAX_NESTING, depth};
use crate::log::{Failure, NodePath, Payload};
use crate::machine::VertexId;
use crate::panics::{self, Contained};
use crate::value::{ActionOutput, AttemptError, Value};

/// How a call ended. An error is no error of the user's any more: those are formatted and dropped where the
/// call's panics are caught.
pub(super) enum CallEnd {
    Action(Result<ActionOutput, FailedAttempt>),
    Undo(Result<(), Failure>),
}

/// An [`AttemptError`] as it goes into the log.
pub(super) struct FailedAttempt {
    pub(super) failure: Failure,
    pub(super) in_doubt: bool,
    /// What could not be stored, for the undo.
    pub(super) output: Option<Contained<Value>>,
}

impl FailedAttempt {
    pub(super) fn of(failed: AttemptError, max: usize) -> Self {
        let AttemptError { error, in_doubt, retryable, output } = failed;
        let output = output.map(Contained::new);
        match logged(error, |error| error.to_failure(retryable), max) {
            Ok(failure) => Self { failure, in_doubt, output },
            Err(failure) => Self { failure, in_doubt: true, output },
        }
    }

    /// The action did its work, but its output cannot be stored.
    fn unstorable(error: &ActionError, output: Contained<Value>, max: usize) -> Self {
        let failure = fit(error.to_failure(false), max);
        Self { failure, in_doubt: true, output: Some(output) }
    }
}

/// An error as it goes into the log. `Err` is the panic of what formats or drops it.
fn logged<E>(
    error: E,
    to_failure: impl FnOnce(&E) -> Failure,
    max: usize,
) -> Result<Failure, Failure> {
    let told = panics::contain(|| to_failure(&error));
    let dropped = panics::contain(|| drop(error));
    match (told, dropped) {
        (Ok(failure), Ok(())) => Ok(fit(failure, max)),
        (Err(message), _) | (_, Err(message)) => {
            Err(fit(ActionError::Panicked { message }.to_failure(true), max))
        }
    }
}

/// None if it was interrupted.
type CallFuture = Abortable<BoxFuture<'static, (VertexId, Option<CallEnd>)>>;

/// The calls of one saga that are in flight.
#[derive(Default)]
pub(super) struct Calls {
    running: FuturesUnordered<CallFuture>,
    handles: HashMap<VertexId, AbortHandle>,
    interrupted: Vec<VertexId>,
}

impl Calls {
    pub(super) fn add(
        &mut self,
        vertex: VertexId,
        room: Option<Permit>,
        inside: Arc<CurrentCall>,
        call: impl Future<Output = CallEnd> + Send + 'static,
    ) {
        let (handle, registration) = AbortHandle::new_pair();
        let call = async move {
            let end = {
                let mut call = pin!(call);
                poll_fn(|task| inside.poll(|| call.as_mut().poll(task))).await
            };
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

    /// The nodes whose calls a shutdown has ended from within.
    pub(super) fn interrupted(&self) -> &[VertexId] {
        &self.interrupted
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
                match end {
                    Some(end) => ended.push((vertex, end)),
                    None => self.interrupted.push(vertex),
                }
            }
        }
    }
}

/// Runs an action, so many times in a row. A timeout and a panic leave it in doubt: its effect may have happened.
pub(super) async fn action<C: Send + Sync + 'static>(
    action: Arc<dyn Action<C>>,
    cx: ActionContext<C>,
    space: OutputLimits,
    repeat: u32,
) -> CallEnd {
    for _ in 1..repeat {
        let end = action_once(action.clone(), cx.clone(), space).await;
        if matches!(end, CallEnd::Action(Err(_))) {
            return end;
        }
    }
    action_once(action, cx, space).await
}

async fn action_once<C: Send + Sync + 'static>(
    action: Arc<dyn Action<C>>,
    cx: ActionContext<C>,
    space: OutputLimits,
) -> CallEnd {
    let missed = |failed| Err(FailedAttempt::of(failed, space.max_payload));
    let call = async {
        match action.do_it(cx).await {
            Ok(output) => settle(&*action, output, space),
            Err(failed) => missed(failed),
        }
    };
    let ended = guarded(call, || action.timeouts().action).await;
    CallEnd::Action(ended.unwrap_or_else(|cut| missed(AttemptError::from(cut).in_doubt())))
}

/// What the action returned counts as what is read from its payload, or not at all.
fn settle<C: 'static>(
    action: &dyn Action<C>,
    output: ActionOutput,
    space: OutputLimits,
) -> Result<ActionOutput, FailedAttempt> {
    let read = space.check(&output).and_then(|()| read_back(action, &output));
    read.map_err(|error| FailedAttempt::unstorable(&error, output.value, space.max_payload))
}

/// Runs an undo, so many times in a row.
pub(super) async fn undo<C: Send + Sync + 'static>(
    action: Arc<dyn Action<C>>,
    cx: ActionContext<C>,
    output: Option<Contained<Value>>,
    max_payload: usize,
    repeat: u32,
) -> CallEnd {
    for _ in 1..repeat {
        let end = undo_once(action.clone(), cx.clone(), output.clone(), max_payload).await;
        if matches!(end, CallEnd::Undo(Err(_))) {
            return end;
        }
    }
    undo_once(action, cx, output, max_payload).await
}

async fn undo_once<C: Send + Sync + 'static>(
    action: Arc<dyn Action<C>>,
    cx: ActionContext<C>,
    output: Option<Contained<Value>>,
    max_payload: usize,
) -> CallEnd {
    let call = async {
        let undone = action.undo_it(cx, output.and_then(Contained::take)).await;
        undone.map_err(|error| match logged(error, UndoError::to_failure, max_payload) {
            Ok(failure) | Err(failure) => failure,
        })
    };
    let ended = guarded(call, || action.timeouts().undo).await;
    CallEnd::Undo(
        ended.unwrap_or_else(|cut| Err(fit(UndoError::Retryable(cut).to_failure(), max_payload))),
    )
}

/// How much room there is for the output of one node.
#[derive(Clone, Copy)]
pub(super) struct OutputLimits {
    /// In bytes.
    pub(super) max_payload: usize,
    /// How many `for` put it into their lists, which may be the saga's output: each is one more level of JSON.
    pub(super) lists: usize,
}

impl OutputLimits {
    /// An output without room cannot be stored.
    pub(super) fn check(self, output: &ActionOutput) -> Result<(), ActionError> {
        let (size, max) = (output.payload.len(), self.max_payload);
        if size > max {
            let message = format!(
                "the output has {size} bytes, more than the limit of {max}; raise \
                 `Limits::max_payload`"
            );
            return Err(ActionError::SerializeFailed { message });
        }
        if self.lists > 0 && depth(output.payload.as_bytes()) + self.lists > MAX_NESTING {
            let message = format!(
                "it is nested more than {MAX_NESTING} levels deep, with the lists of the `for` \
                 around its node"
            );
            return Err(ActionError::SerializeFailed { message });
        }
        Ok(())
    }
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
    let fits = |error: &Payload| error.len() <= max;
    Failure {
        message: cut(failure.message),
        sources: failure.sources.into_iter().map(cut).collect(),
        error: failure.error.filter(fits),
        ..failure
    }
}

/// Runs a call for as long as its timeout allows, which is the user's code as well.
async fn guarded<T>(
    call: impl Future<Output = T> + Send,
    timeout: impl FnOnce() -> Option<Duration>,
) -> Result<T, ActionError> {
    let call = Guarded(Contained::new(Box::pin(call)));
    let panicked = |message| ActionError::Panicked { message };
    let ended = match panics::contain(timeout).map_err(panicked)? {
        None => call.await,
        Some(limit) => match tokio::time::timeout(limit, call).await {
            Ok(ended) => ended,
            Err(_) => {
                let message = format!("timed out after {limit:?}");
                return Err(ActionError::TimedOut { message });
            }
        },
    };
    ended.map_err(panicked)
}

/// A future of the user's, whose panics go no further: neither those of its code nor those of what it
/// drops, also when it is dropped in the middle.
struct Guarded<F>(Contained<Pin<Box<F>>>);

impl<F: Future> Future for Guarded<F> {
    type Output = Result<F::Output, String>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(call) = self.0.get_mut() else { return Poll::Pending };
        match panics::contain(|| call.as_mut().poll(task)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}
