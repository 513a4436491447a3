//! How an attempt of an action fails.

use std::fmt;

use super::Value;
use crate::error::ActionError;

/// The failure of one attempt of an action.
pub struct AttemptError {
    /// The error.
    pub error: ActionError,
    /// True if the effect may have happened nevertheless.
    pub in_doubt: bool,
    /// True if another attempt may succeed.
    pub retryable: bool,
    /// The output of an action that did its work but whose output could not be stored. The undo gets it from
    /// memory.
    pub output: Option<Value>,
}

impl fmt::Debug for AttemptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptError")
            .field("error", &self.error)
            .field("in_doubt", &self.in_doubt)
            .field("retryable", &self.retryable)
            .finish_non_exhaustive()
    }
}

impl From<ActionError> for AttemptError {
    /// An attempt that left no effect and may be retried.
    fn from(error: ActionError) -> Self {
        Self { error, in_doubt: false, retryable: true, output: None }
    }
}

impl AttemptError {
    /// The same error, but the effect may have happened.
    pub fn in_doubt(self) -> Self {
        Self { in_doubt: true, ..self }
    }

    /// The same error, but no further attempt would succeed.
    pub fn permanent(self) -> Self {
        Self { retryable: false, ..self }
    }

    /// The action did its work, but its output cannot be stored.
    pub(crate) fn unstorable(error: ActionError, output: Value) -> Self {
        Self { error, in_doubt: true, retryable: false, output: Some(output) }
    }
}
