//! Why a saga is stuck: what has failed for good and waits for a human, and what began the rollback before that.

use std::fmt;

use super::report::cause_of_end;
use crate::causes::with_causes;
use crate::error::ActionError;
use crate::log::{ActionState, Cause, NodePath, SagaStatus};
use crate::machine::SagaState;

/// What made a saga stuck. `Display` shows it as a clause, for the saga's record and for sentences about the saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StuckBy {
    /// The first node, in the order of declaration, that failed for good.
    pub(crate) node: NodePath,
    /// True if its undo did; false if it is a node after the pivot.
    pub(crate) undo: bool,
    /// How it failed.
    pub(crate) error: Option<String>,
    /// How many other nodes did the same.
    pub(crate) others: usize,
    /// Why the saga rolled back; none if it did not, because it is past its pivot.
    rollback: Option<String>,
}

impl StuckBy {
    /// None if the saga is not stuck.
    pub(crate) fn of(state: &SagaState) -> Option<Self> {
        if state.status() != SagaStatus::Stuck {
            return None;
        }
        let undo = state.cause().is_some() || state.unwinding_scope().is_some();
        let which = if undo { ActionState::UndoFailed } else { ActionState::Failed };
        let mut failed = state.nodes().into_iter().filter(|node| {
            // not what has failed in the body of a `try`, and was undone
            node.state == which && (undo || !state.goes_back(node.vertex))
        });
        let first = failed.next()?;
        let failure = if undo { first.undo_failure } else { first.failure };
        Some(Self {
            node: first.path,
            undo,
            error: failure.map(|failure| in_words(&ActionError::from_failure(&failure))),
            others: failed.count(),
            rollback: undo.then(|| because(state)),
        })
    }
}

/// An error with its causes, where it is said anyway that something failed.
fn in_words(error: &ActionError) -> String {
    let text = with_causes(error);
    text.strip_prefix("action failed: ").map(str::to_string).unwrap_or(text)
}

/// Why a saga rolled back, as a clause.
fn because(state: &SagaState) -> String {
    match cause_of_end(state) {
        (Cause::Failed { node }, Some(error)) => {
            format!("node `{node}` failed: {}", in_words(&error))
        }
        (Cause::Failed { node }, None) => format!("node `{node}` failed"),
        (Cause::Cancelled { reason }, _) => format!("it was cancelled: {reason}"),
        (Cause::DeadlineExceeded, _) => "its deadline passed".to_string(),
        (Cause::Rollback { reason }, _) => format!("somebody asked for it: {reason}"),
    }
}

impl fmt::Display for StuckBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, undo, error, others, rollback } = self;
        let others = if *others == 0 { String::new() } else { format!(" (and {others} more)") };
        let error = error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        match undo {
            true => write!(f, "the undo of `{node}`{others} failed{error}")?,
            false => {
                write!(
                    f,
                    "`{node}`{others} failed after the pivot, where no saga rolls back{error}"
                )?;
            }
        }
        match rollback {
            Some(why) => write!(f, "; the rollback began because {why}"),
            None => Ok(()),
        }
    }
}
