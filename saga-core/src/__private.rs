//! What the macros' output refers to. Not part of the public API: it changes without notice.

pub use std::time::Duration;

pub use serde;

use serde::Serialize;

use crate::action::{ActionData, Failed, Value, stored};
use crate::definition::Stop;
use crate::error::{ActionError, BoxError, UndoError};

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

/// What an action may fail with.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a saga action",
    label = "not an error",
    note = "the error of an action is any `std::error::Error + Send + Sync + 'static`, or converts into a `Box` of one, as `anyhow::Error` and `String` do"
)]
pub trait ActionFailure: Send + 'static {
    fn boxed(self) -> BoxError;
}

#[diagnostic::do_not_recommend]
impl<E: Into<BoxError> + Send + 'static> ActionFailure for E {
    fn boxed(self) -> BoxError {
        self.into()
    }
}

/// Keeps an error as JSON where it is `Serialize` (autoref specialization).
pub struct Payload<'e, E>(pub &'e E);

pub trait Kept {
    fn payload(&self) -> Option<serde_json::Value>;
}

impl<E: Serialize> Kept for &Payload<'_, E> {
    fn payload(&self) -> Option<serde_json::Value> {
        serde_json::to_value(self.0).ok()
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
pub fn produced<O: ActionData>(output: O) -> Stop {
    match stored(output) {
        Ok(output) => Stop::Output(output),
        Err(failed) => Stop::Failed(failed),
    }
}

/// An action that did not.
pub fn failed<E: ActionFailure>(
    error: E,
    payload: Option<serde_json::Value>,
    in_doubt: bool,
    retryable: bool,
) -> Stop {
    let error = ActionError::from_parts(error.boxed(), payload);
    Stop::Failed(Failed { error, in_doubt, retryable, output: None })
}

/// An undo that ended.
pub fn undone<E: ActionFailure>(result: Result<(), E>) -> Stop {
    Stop::Undone(result.map_err(|error| UndoError::from_error(error.boxed())))
}

/// An undo that was called without the output that it needs.
pub fn no_output() -> Stop {
    Stop::Undone(Err(UndoError::permanent("this undo needs an output, and there is none")))
}

/// The output that an undo is given.
pub fn output<O: 'static>(output: &Option<Value>) -> Option<&O> {
    output.as_ref().and_then(|value| value.downcast_ref())
}

/// Checks a bound where the macro puts it.
pub const fn assert_data<T: ActionData>() {}
