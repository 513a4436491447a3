//! What the macros' output refers to. Not part of the public API: it changes without notice.

mod tail;
mod undo;

pub use serde;
use serde::Serialize;

use std::marker::PhantomData;

use crate::action::{Value, storable, stored};
use crate::context::ActionContext;
use crate::definition::{ActionFailure, Attempt, Stop, Typed};
use crate::error::UndoError;

pub use crate::definition::ErrorRules;
pub use tail::{
    InnerTail, IsPlain, IsStep, IsValue, Tail, TailStep, TailValue, WholeOutput, inner_tail, tail,
};
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
#[diagnostic::on_unimplemented(
    message = "an action that takes `&{Self}` cannot be a node of a saga over `{C}`",
    label = "not an action or a saga over `{C}`",
    note = "a node is a function with `#[saga_action]` that takes `&ActionContext<{C}>` or no context, or another saga over `{C}`"
)]
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

/// An error as JSON, where it is `Serialize`. An inherent constant with a bound hides that of a trait
/// only where the bound holds.
pub struct Payload<E>(PhantomData<E>);

impl<E: Serialize> Payload<E> {
    pub const OF: fn(&E) -> Option<serde_json::Value> = storable::value;
}

pub trait NoPayload {
    type Error;
    const OF: fn(&Self::Error) -> Option<serde_json::Value>;
}

impl<E> NoPayload for Payload<E> {
    type Error = E;
    const OF: fn(&E) -> Option<serde_json::Value> = |_| None;
}

/// What is said of the error of an action that says nothing: it left no effect, and may be tried again.
pub fn plain_error<E>(_: &E) -> (bool, bool) {
    (false, true)
}

/// An action that succeeded.
pub fn produced<A: Typed>(output: A::Output) -> Stop {
    match stored(output) {
        Ok(output) => Stop::Output(output),
        Err(failed) => Stop::Failed(failed),
    }
}

/// The types of a node, by a function that returns its action: there the action's lifetimes are left out.
pub trait NodeTypes {
    type Output;
    type Error;
}

impl<A: Typed> NodeTypes for fn(&'static ()) -> A {
    type Output = A::Output;
    type Error = A::Error;
}

/// What a key says of the types of a node whose action is declared in the body of a function, where the
/// key cannot find it.
#[derive(Debug, Serialize, serde::Deserialize, thiserror::Error)]
#[error("an action in the body of a function")]
pub struct ActionInsideOfAFunction;

#[diagnostic::do_not_recommend]
impl Typed for ActionInsideOfAFunction {
    type Output = Self;
    type Error = Self;
}

/// The call of an undo.
#[diagnostic::on_unimplemented(
    message = "an undo is an `async fn`, and this one is not: it returns `{Self}`",
    label = "expected an `async fn`"
)]
pub trait UndoCall: Sized {
    fn attempt<A: Typed, F>(self) -> Attempt<A, F, Self>;
}

impl<U: Future<Output: UndoReturn>> UndoCall for U {
    fn attempt<A: Typed, F>(self) -> Attempt<A, F, U> {
        Attempt::undo(self)
    }
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
