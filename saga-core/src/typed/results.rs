//! Turns the return values of users' code into results of a node's closure.

use super::step::Typed;
use crate::context::StepResult;
use crate::error::UndoError;
use crate::panics;
use crate::value::{ActionOutput, AttemptError, Storable};

/// The result of an action that succeeded.
pub(crate) fn produced<A: Typed>(output: A::Output) -> StepResult {
    of_action(output.store())
}

fn of_action(stored: Result<ActionOutput, AttemptError>) -> StepResult {
    match stored {
        Ok(output) => StepResult::Output(output),
        Err(failed) => StepResult::Failed(failed.into()),
    }
}

/// The result of a computed node.
pub(crate) fn computed<O: Storable>(value: O) -> StepResult {
    of_value(value.store())
}

/// No effect happened, so there is nothing to undo, and the value is not kept.
fn of_value(stored: Result<ActionOutput, AttemptError>) -> StepResult {
    match stored {
        Ok(output) => StepResult::Output(output),
        Err(AttemptError { error, output, .. }) => {
            panics::discard(output);
            StepResult::Failed(AttemptError::from(error).permanent().into())
        }
    }
}

/// The result of an undo that was called without the output that it needs.
pub(crate) fn no_output() -> StepResult {
    StepResult::Undone(Err(UndoError::permanent("this undo needs an output, and there is none")))
}
