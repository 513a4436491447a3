//! Why an attempt of an action failed.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{BoxError, LookupError};
use crate::log::{Failure, FailureKind, Payload};
use crate::panics;

/// Why an attempt of an action failed.
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
        /// The error itself; after a restart, the messages of its sources.
        source: Option<Arc<dyn Error + Send + Sync>>,
    },
    /// The output could not be encoded, could not be read back from what was encoded, or is larger than the limit.
    SerializeFailed {
        /// What went wrong.
        message: String,
    },
    /// A stored value could not be decoded.
    DeserializeFailed {
        /// What went wrong.
        message: String,
    },
    /// A test injected an error.
    Injected,
    /// The parameters of a subsaga could not be constructed.
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
        /// Why.
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
    /// The user's own error. Written by hand, since a derived implementation would return the `Arc` around it,
    /// which cannot be downcast.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let Self::Failed { source: Some(source), .. } = self else { return None };
        Some(&**source)
    }
}

impl ActionError {
    /// Wraps a user's error. An error of this crate (from a lookup, for example) stays what it is.
    pub fn from_error(error: impl Into<BoxError>) -> Self {
        Self::from_parts(error.into(), None)
    }

    /// Wraps a user's error that is also stored as JSON, so that [`convert`](Self::convert) returns it in any
    /// process.
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

    /// Parameters of a subsaga that could not be constructed.
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

    /// The user's own error, if it is an `E` and was stored.
    ///
    /// # Errors
    /// This error, unchanged, if it contains no `E`.
    pub fn convert<E: DeserializeOwned>(self) -> Result<E, ActionError> {
        let Self::Failed { payload: Some(payload), .. } = &self else { return Err(self) };
        let read = panics::contain(|| serde_json::from_slice(payload.as_bytes()).ok());
        read.ok().flatten().ok_or(self)
    }

    /// The message without its prefix.
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

    /// The form in which it is written to the log.
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
            Self::SerializeFailed { .. }
            | Self::DeserializeFailed { .. }
            | Self::Injected
            | Self::SubsagaCreateFailed { .. }
            | Self::TimedOut { .. }
            | Self::Panicked { .. }
            | Self::Cancelled { .. }
            | Self::NotAnAncestor { .. } => (None, Vec::new()),
        };
        Failure { sources, error, retryable, ..Failure::new(self.kind(), self.message()) }
    }

    /// The error that a log entry records.
    pub(crate) fn from_failure(failure: &Failure) -> Self {
        let message = failure.message.clone();
        match failure.kind {
            FailureKind::Failed => Self::Failed {
                source: Some(Arc::new(LoggedError::chain(&message, &failure.sources))),
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
    /// Kind and message; the user's payload must not appear in traces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({:?})", self.kind(), self.message())
    }
}

/// An error that was logged: its message, and those of its sources.
#[derive(Debug)]
struct LoggedError {
    message: String,
    source: Option<Box<LoggedError>>,
}

impl LoggedError {
    fn chain(message: &str, sources: &[String]) -> Self {
        let source = sources.iter().rev().fold(None, |source, message| {
            Some(Box::new(LoggedError { message: message.clone(), source }))
        });
        Self { message: message.to_string(), source }
    }
}

impl fmt::Display for LoggedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for LoggedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|e| &**e as &(dyn Error + 'static))
    }
}
