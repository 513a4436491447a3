//! One attempt of an action or an undo: with its timeout, and with its panics contained.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::output_limits::{OutputLimits, truncate};
use crate::action::{Action, read_back};
use crate::context::ActionContext;
use crate::error::{ActionError, UndoError};
use crate::log::Failure;
use crate::panics::{self, Contained};
use crate::value::{ActionOutput, AttemptError, Value};

/// How a call ended. User errors have been turned into [`Failure`]s by now: they are formatted and dropped
/// where the panics of the call are contained.
pub(in crate::driver) enum CallEnd {
    Action(Result<ActionOutput, FailedAttempt>),
    Undo(Result<(), Failure>),
}

/// An [`AttemptError`] in the form that the log takes.
pub(in crate::driver) struct FailedAttempt {
    pub(in crate::driver) failure: Failure,
    pub(in crate::driver) in_doubt: bool,
    /// An output that could not be stored, for the undo.
    pub(in crate::driver) output: Option<Contained<Value>>,
}

impl FailedAttempt {
    pub(in crate::driver) fn of(error: AttemptError, max_payload: usize) -> Self {
        let AttemptError { error, in_doubt, retryable, output } = error;
        let output = output.map(Contained::new);
        match logged(error, |error| error.to_failure(retryable), max_payload) {
            Ok(failure) => Self { failure, in_doubt, output },
            Err(failure) => Self { failure, in_doubt: true, output },
        }
    }

    /// The action did its work, but its output cannot be stored.
    fn unstorable(error: &ActionError, output: Contained<Value>, max_payload: usize) -> Self {
        let failure = truncate(error.to_failure(false), max_payload);
        Self { failure, in_doubt: true, output: Some(output) }
    }
}

/// An error in the form that the log takes. `Err` if formatting or dropping it panics.
fn logged<E>(
    error: E,
    to_failure: impl FnOnce(&E) -> Failure,
    max_payload: usize,
) -> Result<Failure, Failure> {
    let formatted = panics::contain(|| to_failure(&error));
    let dropped = panics::contain(|| drop(error));
    match (formatted, dropped) {
        (Ok(failure), Ok(())) => Ok(truncate(failure, max_payload)),
        (Err(message), _) | (_, Err(message)) => {
            Err(truncate(ActionError::Panicked { message }.to_failure(true), max_payload))
        }
    }
}

/// Runs an action; `repeat` times in a row if a test asked for that. A timeout or a panic leaves it in doubt:
/// its effect may have happened.
pub(super) async fn run_action<C: Send + Sync + 'static>(
    action: Arc<dyn Action<C>>,
    cx: ActionContext<C>,
    limits: OutputLimits,
    repeat: u32,
) -> CallEnd {
    let failed = |error| Err(FailedAttempt::of(error, limits.max_payload));
    let mut runs = 1;
    loop {
        let call = async {
            match action.do_it(cx.clone()).await {
                Ok(output) => checked(&*action, output, limits),
                Err(error) => failed(error),
            }
        };
        let ended = guarded(call, || action.timeouts().action).await;
        let end = ended.unwrap_or_else(|cut| failed(AttemptError::from(cut).in_doubt()));
        if runs >= repeat || end.is_err() {
            return CallEnd::Action(end);
        }
        runs += 1;
    }
}

/// Runs an undo; `repeat` times in a row if a test asked for that.
pub(super) async fn run_undo<C: Send + Sync + 'static>(
    action: Arc<dyn Action<C>>,
    cx: ActionContext<C>,
    output: Option<Contained<Value>>,
    max_payload: usize,
    repeat: u32,
) -> CallEnd {
    let mut runs = 1;
    loop {
        let call = async {
            let undone = action.undo_it(cx.clone(), output.clone().and_then(Contained::take)).await;
            undone.map_err(|error| match logged(error, UndoError::to_failure, max_payload) {
                Ok(failure) | Err(failure) => failure,
            })
        };
        let ended = guarded(call, || action.timeouts().undo).await;
        let end = ended.unwrap_or_else(|cut| {
            Err(truncate(UndoError::Retryable(cut).to_failure(), max_payload))
        });
        if runs >= repeat || end.is_err() {
            return CallEnd::Undo(end);
        }
        runs += 1;
    }
}

/// An output counts as what is read back from its payload, or not at all.
fn checked<C: 'static>(
    action: &dyn Action<C>,
    output: ActionOutput,
    limits: OutputLimits,
) -> Result<ActionOutput, FailedAttempt> {
    let read = limits.check(&output).and_then(|()| read_back(action, &output));
    read.map_err(|error| FailedAttempt::unstorable(&error, output.value, limits.max_payload))
}

/// Runs a user's future for as long as its timeout allows, and contains its panics. Asking for the timeout
/// runs user code too.
async fn guarded<T>(
    call: impl Future<Output = T> + Send,
    timeout: impl FnOnce() -> Option<Duration>,
) -> Result<T, ActionError> {
    let call = PanicGuard(Contained::new(Box::pin(call)));
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

/// A user's future whose panics go no further: neither those of its code, nor those of the values that it
/// drops, not even when it is dropped half way.
struct PanicGuard<F>(Contained<Pin<Box<F>>>);

impl<F: Future> Future for PanicGuard<F> {
    type Output = Result<F::Output, String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(call) = self.0.get_mut() else { return Poll::Pending };
        match panics::contain(|| call.as_mut().poll(cx)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}
