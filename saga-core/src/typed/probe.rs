//! The call of the probe of an action, and what the macros require of it.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::{ActionFailure, StepResult};
use crate::error::ActionError;
use crate::probe::Probe;
use crate::value::Storable;

/// The call of the probe of an action whose output is `O`: a future whose output is a [`ProbeReturn`].
#[diagnostic::on_unimplemented(
    message = "a probe is an `async fn`, and this one is not: it returns `{Self}`",
    label = "expected an `async fn`"
)]
pub trait ProbeCall<O>: Sized {
    #[doc(hidden)]
    fn ask(self) -> Asked<O, Self>;
}

impl<O, F: Future<Output: ProbeReturn<O>>> ProbeCall<O> for F {
    fn ask(self) -> Asked<O, F> {
        let poll =
            |call: Pin<&mut F>, task: &mut Context<'_>| call.poll(task).map(ProbeReturn::probed);
        Asked { call: self, poll, output: PhantomData }
    }
}

/// The return type of the probe of an action whose output is `O`: a `Result<Probe<O>, Error>`.
#[diagnostic::on_unimplemented(
    message = "the probe of an action that returns `{O}` returns `Result<Probe<{O}>, Error>`, not `{Self}`",
    label = "expected a `Result<Probe<{O}>, _>`"
)]
pub trait ProbeReturn<O> {
    #[doc(hidden)]
    fn probed(self) -> StepResult;
}

impl<O: Storable, E: ActionFailure> ProbeReturn<O> for Result<Probe<O>, E> {
    fn probed(self) -> StepResult {
        let answer = self.map_err(|error| ActionError::from_error(error.boxed()));
        StepResult::Probed(answer.and_then(|answer| match answer {
            // that it cannot be stored means that nobody knows
            Probe::Done(output) => output.store().map(Probe::Done).map_err(|failed| failed.error),
            Probe::NotDone => Ok(Probe::NotDone),
            Probe::Unknown => Ok(Probe::Unknown),
        }))
    }
}

type PollFn<F> = fn(Pin<&mut F>, &mut Context<'_>) -> Poll<StepResult>;

pin_project! {
    /// A probe that is being awaited.
    #[doc(hidden)]
    pub struct Asked<O, F> {
        #[pin]
        call: F,
        poll: PollFn<F>,
        output: PhantomData<fn() -> O>,
    }
}

impl<O, F> Future for Asked<O, F> {
    type Output = StepResult;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<StepResult> {
        let this = self.project();
        (this.poll)(this.call, task)
    }
}

pin_project! {
    /// What an action with a probe does: it asks, as `P`, or it acts or undoes, as `F`.
    #[doc(hidden)]
    #[project = AsksOrActsProjection]
    pub enum AsksOrActs<P, F> {
        Asks { #[pin] probe: P },
        Acts { #[pin] call: F },
    }
}

impl<P, F> Future for AsksOrActs<P, F>
where
    P: Future<Output = StepResult>,
    F: Future<Output = StepResult>,
{
    type Output = StepResult;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<StepResult> {
        Poll::Ready(match self.project() {
            AsksOrActsProjection::Asks { probe } => ready!(probe.poll(task)),
            AsksOrActsProjection::Acts { call } => ready!(call.poll(task)),
        })
    }
}
