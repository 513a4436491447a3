//! Why an attempt of an undo failed.

use super::{ActionError, BoxError};
use crate::log::Failure;

/// Why an attempt of an undo failed.
///
/// ```
/// use saga_core::UndoError;
/// assert!(matches!(UndoError::from_error("busy"), UndoError::Retryable(_)));
/// let error = UndoError::permanent("it was shipped");
/// assert_eq!(error.to_string(), "undo failed for good: action failed: it was shipped");
/// // a permanent error stays permanent when it is wrapped
/// assert!(matches!(UndoError::from_error(error), UndoError::Permanent(_)));
/// ```
#[derive(Debug, Clone, thiserror::Error)]
pub enum UndoError {
    /// Another attempt may succeed. Every user's error is retryable unless it is wrapped as permanent.
    #[error("undo failed: {0}")]
    Retryable(#[source] ActionError),
    /// No further attempt would succeed: the node is `undo_failed` at once.
    #[error("undo failed for good: {0}")]
    Permanent(#[source] ActionError),
}

impl UndoError {
    /// A permanent failure with this message.
    pub fn permanent(error: impl Into<BoxError>) -> Self {
        Self::Permanent(ActionError::from_error(error))
    }

    /// Wraps a user's error: retryable, unless it is a permanent `UndoError` already.
    pub fn from_error(error: impl Into<BoxError>) -> Self {
        match error.into().downcast::<UndoError>() {
            Ok(own) => *own,
            Err(other) => Self::Retryable(ActionError::from_error(other)),
        }
    }

    pub(crate) fn to_failure(&self) -> Failure {
        match self {
            Self::Retryable(error) => error.to_failure(true),
            Self::Permanent(error) => error.to_failure(false),
        }
    }
}
