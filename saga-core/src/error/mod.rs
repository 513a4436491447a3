//! What actions, undos and sagas answer when they do not succeed.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::log::{Failure, FailureKind, Payload};
use crate::panics;

mod lookup;
mod operate;
mod registry;
mod runtime;
mod saga;
mod start;

pub use lookup::LookupError;
pub use operate::OperateError;
pub use registry::RegistryError;
pub use runtime::RuntimeError;
pub use saga::{NodeReport, SagaError, SagaReport};
pub use start::StartError;

/// Any error.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why an attempt of an action did not succeed.
///
/// ```
/// use std::error::Error;
/// use saga_core::ActionError;
///
/// #[derive(Debug, thiserror::Error, serde::Serialize, serde::Deserialize)]
/// #[error("no room in {city}")]
/// struct NoRoom { city: String }
///
/// let error = ActionError::from_serializable(NoRoom { city: "Rome".into() });
/// assert_eq!(error.to_string(), "action failed: no room in Rome");
/// assert!(error.source().is_some_and(|source| source.is::<NoRoom>()));
/// assert_eq!(error.convert::<NoRoom>()?.city, "Rome");
/// # Ok::<(), ActionError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum ActionError {
    /// The action returned an error.
    Failed {
        /// The error's message.
        message: String,
        /// The error as JSON, if it is `Serialize`: what [`convert`](Self::convert) reads.
        payload: Option<Payload>,
        /// The error itself, or after a restart the messages of its sources.
        source: Option<Arc<dyn Error + Send + Sync>>,
    },
    /// The output could not be encoded, or not be read back from what was encoded, or is larger than the
    /// limit.
    SerializeFailed {
        /// What went wrong.
        message: String,
    },
    /// A stored value could not be decoded.
    DeserializeFailed {
        /// What went wrong.
        message: String,
    },
    /// A test injected the error.
    Injected,
    /// The parameters of a subsaga could not be made.
    SubsagaCreateFailed {
        /// What went wrong.
        message: String,
    },
    /// The attempt took longer than its timeout.
    TimedOut {
        /// After how long.
        message: String,
    },
    /// The attempt panicked.
    Panicked {
        /// The panic's message and place.
        message: String,
    },
    /// The attempt was dropped.
    Cancelled {
        /// By whom.
        message: String,
    },
    /// The action looked up a node that is not one of its ancestors.
    NotAnAncestor {
        /// Which node, and who asked.
        message: String,
    },
}

impl fmt::Display for ActionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { message, .. } => write!(f, "action failed: {message}"),
            Self::SerializeFailed { message } => write!(f, "serialize failed: {message}"),
            Self::DeserializeFailed { message } => write!(f, "deserialize failed: {message}"),
            Self::Injected => f.write_str("error injected"),
            Self::SubsagaCreateFailed { message } => {
                write!(f, "failed to create subsaga: {message}")
            }
            Self::TimedOut { message } | Self::NotAnAncestor { message } => f.write_str(message),
            Self::Panicked { message } => write!(f, "panicked: {message}"),
            Self::Cancelled { message } => write!(f, "cancelled: {message}"),
        }
    }
}

impl Error for ActionError {
    /// The user's own error. By hand, since a derived one would answer with the `Arc` around it, which
    /// nobody can downcast.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed { source: Some(source), .. } => Some(&**source),
            _ => None,
        }
    }
}

impl ActionError {
    /// An error of the user's. One of our own (from a lookup, say) stays what it is.
    pub fn from_error(error: impl Into<BoxError>) -> Self {
        Self::from_parts(error.into(), None)
    }

    /// An error of the user's that is also kept as JSON, so that [`convert`](Self::convert) gives it
    /// back in any process.
    pub fn from_serializable<E>(error: E) -> Self
    where
        E: Into<BoxError> + Serialize,
    {
        let payload = crate::json::error_json(&error);
        Self::from_parts(error.into(), payload)
    }

    /// An output or a parameter that could not be encoded.
    pub fn new_serialize(message: impl fmt::Display) -> Self {
        Self::SerializeFailed { message: message.to_string() }
    }

    /// A stored value that could not be decoded.
    ///
    /// ```
    /// use saga_core::ActionError;
    /// let error = serde_json::from_str::<u32>("red").map_err(ActionError::new_deserialize);
    /// assert!(error.unwrap_err().to_string().starts_with("deserialize failed: expected value"));
    /// ```
    pub fn new_deserialize(message: impl fmt::Display) -> Self {
        Self::DeserializeFailed { message: message.to_string() }
    }

    /// The parameters of a subsaga that could not be made.
    pub fn new_subsaga(message: impl fmt::Display) -> Self {
        Self::SubsagaCreateFailed { message: message.to_string() }
    }

    pub(crate) fn from_parts(error: BoxError, payload: Option<Payload>) -> Self {
        let error = match error.downcast::<ActionError>() {
            Ok(own) => return *own,
            Err(other) => other,
        };
        let error = match error.downcast::<LookupError>() {
            Ok(lookup) => return (*lookup).into(),
            Err(other) => other,
        };
        Self::Failed { message: error.to_string(), payload, source: Some(Arc::from(error)) }
    }

    /// The user's own error, if it is an `E` and was `Serialize`; otherwise this error again.
    ///
    /// # Errors
    /// This error, unchanged, if it holds no `E`.
    pub fn convert<E: DeserializeOwned>(self) -> Result<E, ActionError> {
        let converted = match &self {
            Self::Failed { payload: Some(payload), .. } => {
                let read = panics::contain(|| serde_json::from_slice(payload.as_bytes()).ok());
                read.ok().flatten()
            }
            _ => None,
        };
        converted.ok_or(self)
    }

    /// The message without the words in front of it.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Failed { message, .. }
            | Self::SerializeFailed { message }
            | Self::DeserializeFailed { message }
            | Self::SubsagaCreateFailed { message }
            | Self::TimedOut { message }
            | Self::Panicked { message }
            | Self::Cancelled { message }
            | Self::NotAnAncestor { message } => message.clone(),
            Self::Injected => String::new(),
        }
    }

    fn kind(&self) -> FailureKind {
        match self {
            Self::Failed { .. } => FailureKind::Failed,
            Self::SerializeFailed { .. } => FailureKind::SerializeFailed,
            Self::DeserializeFailed { .. } => FailureKind::DeserializeFailed,
            Self::Injected => FailureKind::Injected,
            Self::SubsagaCreateFailed { .. } => FailureKind::SubsagaCreateFailed,
            Self::TimedOut { .. } => FailureKind::TimedOut,
            Self::Panicked { .. } => FailureKind::Panicked,
            Self::Cancelled { .. } => FailureKind::Cancelled,
            Self::NotAnAncestor { .. } => FailureKind::NotAnAncestor,
        }
    }

    /// As it is written to the log.
    pub(crate) fn to_failure(&self, retryable: bool) -> Failure {
        let (error, sources) = match self {
            Self::Failed { payload, source, .. } => {
                let mut sources = Vec::new();
                let mut next = source.as_ref().and_then(|e| e.source());
                while let Some(error) = next {
                    sources.push(error.to_string());
                    next = error.source();
                }
                (payload.clone(), sources)
            }
            _ => (None, Vec::new()),
        };
        Failure { sources, error, retryable, ..Failure::new(self.kind(), self.message()) }
    }

    /// As it is read from the log.
    pub(crate) fn from_failure(failure: &Failure) -> Self {
        let message = failure.message.clone();
        match failure.kind {
            FailureKind::Failed => Self::Failed {
                source: Some(Arc::new(StoredError::chain(&message, &failure.sources))),
                message,
                payload: failure.error.clone(),
            },
            FailureKind::SerializeFailed => Self::SerializeFailed { message },
            FailureKind::DeserializeFailed => Self::DeserializeFailed { message },
            FailureKind::Injected => Self::Injected,
            FailureKind::SubsagaCreateFailed => Self::SubsagaCreateFailed { message },
            FailureKind::TimedOut => Self::TimedOut { message },
            FailureKind::Panicked => Self::Panicked { message },
            FailureKind::Cancelled => Self::Cancelled { message },
            FailureKind::NotAnAncestor => Self::NotAnAncestor { message },
        }
    }
}

impl fmt::Debug for ActionError {
    /// Kind and message; the user's payload stays out of traces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({:?})", self.kind(), self.message())
    }
}

/// An error that went through the store: its message and its sources'.
#[derive(Debug)]
struct StoredError {
    message: String,
    source: Option<Box<StoredError>>,
}

impl StoredError {
    fn chain(message: &str, sources: &[String]) -> Self {
        let source = sources.iter().rev().fold(None, |source, message| {
            Some(Box::new(StoredError { message: message.clone(), source }))
        });
        Self { message: message.to_string(), source }
    }
}

impl fmt::Display for StoredError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for StoredError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|e| &**e as &(dyn Error + 'static))
    }
}

/// Why an attempt of an undo did not succeed.
///
/// ```
/// use saga_core::UndoError;
/// assert!(matches!(UndoError::from_error("busy"), UndoError::Retryable(_)));
/// let error = UndoError::permanent("it was shipped");
/// assert_eq!(error.to_string(), "undo failed for good: action failed: it was shipped");
/// // one that is permanent stays so on its way through other errors
/// assert!(matches!(UndoError::from_error(error), UndoError::Permanent(_)));
/// ```
#[derive(Debug, Clone, thiserror::Error)]
pub enum UndoError {
    /// Another attempt may succeed. What every error of the user's is, unless wrapped as permanent.
    #[error("undo failed: {0}")]
    Retryable(#[source] ActionError),
    /// No other attempt would: the node is `undo_failed` at once.
    #[error("undo failed for good: {0}")]
    Permanent(#[source] ActionError),
}

impl UndoError {
    /// A permanent failure with this message.
    pub fn permanent(error: impl Into<BoxError>) -> Self {
        Self::Permanent(ActionError::from_error(error))
    }

    /// An error of the user's: retryable, unless it is a permanent `UndoError` already.
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
