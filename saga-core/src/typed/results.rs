//! Turns the return values of users' code into results of a node's closure.

use super::step::Typed;
use crate::context::StepResult;
use crate::error::UndoError;
use crate::value::{AttemptError, Storable};

/// The result of an action that succeeded.
pub(crate) fn produced<A: Typed>(output: A::Output) -> StepResult {
    match output.store() {
        Ok(output) => StepResult::Output(output),
        Err(failed) => StepResult::Failed(failed),
    }
}

/// The result of a computed node.
pub(crate) fn computed<O: Storable>(value: O) -> StepResult {
    match value.read_back() {
        Ok(output) => StepResult::Output(output),
        Err(error) => StepResult::Failed(AttemptError::from(error).permanent()),
    }
}

/// The result of an undo that was called without the output that it needs.
pub(crate) fn no_output() -> StepResult {
    StepResult::Undone(Err(UndoError::permanent("this undo needs an output, and there is none")))
}
