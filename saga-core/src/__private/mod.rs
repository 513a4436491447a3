//! What the macros' output refers to. Not part of the public API: it changes without notice.

pub(crate) mod computed;
pub(crate) mod last_line;
pub(crate) mod undo_arity;

pub use serde;
use serde::Serialize;

use std::marker::PhantomData;

use crate::bounds::Storable;
use crate::error::UndoError;
use crate::json;
use crate::log;
use crate::typed::{StepResult, Typed};
use crate::value::Value;

pub use crate::typed::ErrorRules;

/// An error as JSON, where it is `Serialize`. An inherent constant with a bound hides that of a trait
/// only where the bound holds.
pub struct Payload<E>(PhantomData<E>);

impl<E: Serialize> Payload<E> {
    pub const OF: fn(&E) -> Option<log::Payload> = json::error_json;
}

pub trait NoPayload {
    type Error;
    const OF: fn(&Self::Error) -> Option<log::Payload>;
}

impl<E> NoPayload for Payload<E> {
    type Error = E;
    const OF: fn(&E) -> Option<log::Payload> = |_| None;
}

/// What is said of the error of an action that says nothing: it left no effect, and may be tried again.
pub fn plain_error<E>(_: &E) -> (bool, bool) {
    (false, true)
}

/// An action that succeeded.
pub fn produced<A: Typed>(output: A::Output) -> StepResult {
    match output.store() {
        Ok(output) => StepResult::Output(output),
        Err(failed) => StepResult::Failed(failed),
    }
}

/// The type of a saga's parameter, by its number.
pub trait Parameter<const NUMBER: usize> {
    type Type;
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

/// An undo that was called without the output that it needs.
pub fn no_output() -> StepResult {
    StepResult::Undone(Err(UndoError::permanent("this undo needs an output, and there is none")))
}

/// The output that an undo is given.
pub fn output<O: 'static>(output: &Option<Value>) -> Option<&O> {
    output.as_ref().and_then(|value| value.downcast_ref())
}
