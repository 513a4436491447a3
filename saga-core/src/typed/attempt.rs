//! The call of an action or of its undo, as a future that is a struct. It exists for the sake of compile times:
//! see `AttemptCall`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::results::{no_output, produced};
use super::signature::UndoReturn;
use super::{ActionFailure, StepResult, Typed};
use crate::error::ActionError;
use crate::log::Payload;
use crate::probe::Probe;
use crate::value::AttemptError;

pin_project! {
    /// The future that `Step::go` returns: a call of the action `A`, which is the future `F`, or of its undo,
    /// which is the future `U`.
    pub struct Attempt<A: Typed, F, U> {
        #[pin]
        call: AttemptCall<A, F, U>,
    }
}

type PollFn<F, O> = fn(Pin<&mut F>, &mut Context<'_>) -> Poll<O>;

// An `async` block would do the same, but rustc would have to check one more of them for each action. With the
// function `poll` stored alongside, a call is known to be a future where it is created, and a mistake is
// reported once.
pin_project! {
    #[project = AttemptProjection]
    enum AttemptCall<A: Typed, F, U> {
        Action { #[pin] call: F, poll: PollFn<F, Result<A::Output, A::Error>>, error: ErrorRules<A::Error> },
        Undo { #[pin] call: U, poll: PollFn<U, StepResult> },
        Nothing { stop: fn() -> StepResult },
    }
}

/// How an action classifies its errors.
#[doc(hidden)]
pub struct ErrorRules<E> {
    /// The error as JSON, if it can be encoded.
    pub payload: fn(&E) -> Option<Payload>,
    /// Whether the error leaves the effect in doubt, and whether another attempt may succeed.
    pub judge: fn(&E) -> (bool, bool),
}

impl<E: ActionFailure> ErrorRules<E> {
    fn failed(&self, error: E) -> AttemptError {
        let payload = (self.payload)(&error);
        let (in_doubt, retryable) = (self.judge)(&error);
        let error = ActionError::from_parts(error.boxed(), payload);
        AttemptError { error, in_doubt, retryable: in_doubt || retryable, output: None }
    }
}

impl<A: Typed, F, U> Attempt<A, F, U> {
    /// Calls the action.
    #[doc(hidden)]
    pub fn action(call: F, error: ErrorRules<A::Error>) -> Self
    where
        F: Future<Output = Result<A::Output, A::Error>>,
    {
        Self { call: AttemptCall::Action { call, poll: F::poll, error } }
    }

    /// Calls the undo.
    pub(crate) fn undo(call: U) -> Self
    where
        U: Future<Output: UndoReturn>,
    {
        let poll =
            |call: Pin<&mut U>, task: &mut Context<'_>| call.poll(task).map(UndoReturn::undone);
        Self { call: AttemptCall::Undo { call, poll } }
    }

    /// The result of an undo that was called without the output that it needs.
    #[doc(hidden)]
    pub fn no_output() -> Self {
        Self { call: AttemptCall::Nothing { stop: no_output } }
    }
}

impl<A: Typed, F> Attempt<A, F, ()> {
    /// The undo of an action that has nothing to undo.
    #[doc(hidden)]
    pub fn undone() -> Self {
        Self { call: AttemptCall::Nothing { stop: || StepResult::Undone(Ok(())) } }
    }
}

impl<A: Typed, F, U> Attempt<A, F, U> {
    /// The probe of an action that has none.
    #[doc(hidden)]
    pub fn unasked() -> Self {
        Self { call: AttemptCall::Nothing { stop: || StepResult::Probed(Ok(Probe::Unknown)) } }
    }
}

impl<A: Typed, U> Attempt<A, (), U> {
    /// Stands in for an action whose declaration has an error that is reported elsewhere.
    #[doc(hidden)]
    pub fn broken() -> Self {
        Self::no_output()
    }
}

impl<A: Typed, F, U> Future for Attempt<A, F, U> {
    type Output = StepResult;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<StepResult> {
        Poll::Ready(match self.project().call.project() {
            AttemptProjection::Action { call, poll, error } => match ready!(poll(call, task)) {
                Ok(output) => produced::<A>(output),
                Err(failed) => StepResult::Failed(error.failed(failed).into()),
            },
            AttemptProjection::Undo { call, poll } => ready!(poll(call, task)),
            AttemptProjection::Nothing { stop } => stop(),
        })
    }
}
