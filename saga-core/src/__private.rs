//! What the macros' output refers to. Not part of the public API: it changes without notice.

mod undo;

use std::any::Any;
use std::marker::PhantomData;

use futures_util::future::BoxFuture;
pub use serde;
use serde::Serialize;

use crate::action::{ActionData, Failed, Value, storable, stored};
use crate::context::ActionContext;
use crate::definition::{
    ActionFailure, Leaf, Pure, Saga, Scope, Shape, Step, StepKind, Stop, Typed, computed,
};
use crate::error::{ActionError, UndoError};

pub use undo::{Fits, Misfits, undo};

/// What an action's function returns.
#[diagnostic::on_unimplemented(
    message = "a saga action returns `Result<Output, Error>`, not `{Self}`",
    label = "expected a `Result`"
)]
pub trait ActionReturn {
    type Ok;
    type Err;
    fn result(self) -> Result<Self::Ok, Self::Err>;
}

impl<T, E> ActionReturn for Result<T, E> {
    type Ok = T;
    type Err = E;
    fn result(self) -> Self {
        self
    }
}

/// What an action calls its context: an alias of `ActionContext`.
#[diagnostic::on_unimplemented(
    message = "the context of an action is an `&ActionContext<{Self}>`, not `&{Self}`",
    label = "write `ActionContext<{Self}>`, which derefs to `{Self}`"
)]
pub trait Context {}

impl<C> Context for ActionContext<C> {}

/// What an action in a saga over `C` may call its context. Also the user's own `C`, which is reported
/// where the action is declared, and not again in every saga.
pub trait ContextOf<C>: Sync {
    fn of(cx: &ActionContext<C>) -> &Self;
}

impl<C: Send + Sync + 'static> ContextOf<C> for ActionContext<C> {
    fn of(cx: &Self) -> &Self {
        cx
    }
}

impl<C: Send + Sync + 'static> ContextOf<C> for C {
    fn of(cx: &ActionContext<C>) -> &Self {
        cx
    }
}

/// That an action's context is one.
pub fn assert_context<T: Context>() {}

/// Keeps an error as JSON where it is `Serialize` (autoref specialization).
pub struct Payload<'e, E>(pub &'e E);

pub trait Kept {
    fn payload(&self) -> Option<serde_json::Value>;
}

impl<E: Serialize> Kept for &Payload<'_, E> {
    fn payload(&self) -> Option<serde_json::Value> {
        storable::value(self.0)
    }
}

pub trait NotKept {
    fn payload(&self) -> Option<serde_json::Value>;
}

impl<E> NotKept for Payload<'_, E> {
    fn payload(&self) -> Option<serde_json::Value> {
        None
    }
}

/// An action that succeeded.
pub fn produced<A: Typed>(output: A::Output) -> Stop {
    match stored(output) {
        Ok(output) => Stop::Output(output),
        Err(failed) => Stop::Failed(failed),
    }
}

/// An action that did not.
pub fn failed<A: Typed>(
    error: A::Error,
    payload: Option<serde_json::Value>,
    in_doubt: bool,
    retryable: bool,
) -> Stop {
    let error = ActionError::from_parts(error.boxed(), payload);
    Stop::Failed(Failed { error, in_doubt, retryable, output: None })
}

/// What an undo returns.
#[diagnostic::on_unimplemented(
    message = "an undo returns `Result<(), Error>`, not `{Self}`",
    label = "expected a `Result<(), _>`"
)]
pub trait UndoReturn {
    fn undone(self) -> Stop;
}

impl<E: ActionFailure> UndoReturn for Result<(), E> {
    fn undone(self) -> Stop {
        Stop::Undone(self.map_err(|error| UndoError::from_error(error.boxed())))
    }
}

/// An undo that was called without the output that it needs.
pub fn no_output() -> Stop {
    Stop::Undone(Err(UndoError::permanent("this undo needs an output, and there is none")))
}

/// The output that an undo is given.
pub fn output<O: 'static>(output: &Option<Value>) -> Option<&O> {
    output.as_ref().and_then(|value| value.downcast_ref())
}

/// Is the last line of the saga `S` a step or a value? (autoref specialization)
pub struct Tail<'t, S, T>(PhantomData<&'t T>, PhantomData<fn() -> S>);

pub fn tail<S, T>(_: &T) -> Tail<'_, S, T> {
    Tail(PhantomData, PhantomData)
}

/// The same for the last line of a body.
pub struct InnerTail<'t, T>(PhantomData<&'t T>);

pub fn inner_tail<T>(_: &T) -> InnerTail<'_, T> {
    InnerTail(PhantomData)
}

impl<T: Typed> TailStep<()> for &InnerTail<'_, T> {
    fn kind(&self) -> IsStep {
        IsStep
    }
}

pub trait TailValue {
    type Kind;
    fn kind(&self) -> Self::Kind;
}

impl<T> TailValue for InnerTail<'_, T> {
    type Kind = IsPlain;
    fn kind(&self) -> IsPlain {
        IsPlain
    }
}

/// A plain value of any type.
pub struct IsPlain;

impl IsPlain {
    pub fn shape<V>(&self) -> Pure<V> {
        Pure::marker()
    }

    pub fn run<'s, C: Send + Sync + 'static, V: ActionData>(
        &self,
        cx: &'s Scope<C>,
        value: V,
        _: &Pure<V>,
    ) -> BoxFuture<'s, V> {
        cx.leave(computed(value));
        Box::pin(std::future::pending())
    }
}

pub trait TailStep<S> {
    fn kind(&self) -> IsStep;
}

impl<S, T: Typed> TailStep<S> for &Tail<'_, S, T> {
    fn kind(&self) -> IsStep {
        IsStep
    }
}

impl<S, T> TailValue for Tail<'_, S, T> {
    type Kind = IsValue<S>;
    fn kind(&self) -> IsValue<S> {
        IsValue(PhantomData)
    }
}

pub struct IsStep;

impl IsStep {
    pub fn shape<M>(&self) -> Leaf<M> {
        Leaf::marker()
    }

    pub fn run<'s, C: Send + Sync + 'static, A, M>(
        &self,
        cx: &'s Scope<C>,
        action: A,
        shape: &Leaf<M>,
    ) -> BoxFuture<'s, A::Output>
    where
        A: Step<C, Static = M> + 's,
    {
        shape.run(cx, action)
    }
}

pub struct IsValue<S>(PhantomData<fn() -> S>);

impl<S: Saga> IsValue<S> {
    pub fn shape(&self) -> WholeOutput<S> {
        WholeOutput(PhantomData)
    }

    pub fn run<'s, V: Send + 'static>(
        &self,
        cx: &'s Scope<S::Context>,
        value: V,
        _: &WholeOutput<S>,
    ) -> BoxFuture<'s, V> {
        let value: Box<dyn Any> = Box::new(value);
        cx.leave(match value.downcast::<S::Output>() {
            Ok(output) => computed(*output),
            // the macro has both types compared, so this is never compiled into anything that runs
            Err(_) => no_output(),
        });
        Box::pin(std::future::pending())
    }
}

/// A node whose value is the output of the saga `S`: that this can be stored follows from `S` being one.
pub struct WholeOutput<S>(PhantomData<fn() -> S>);

impl<S: Saga> Shape<S::Context> for WholeOutput<S> {
    type Output = S::Output;
    fn kind() -> Option<StepKind<S::Context>> {
        None
    }
}
