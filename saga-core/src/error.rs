//! What actions, undos and sagas answer when they do not succeed.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::log::{ActionState, Cause, Failure, FailureKind, NodePath, SagaId};
use crate::store::StoreError;

/// Any error.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why an attempt of an action did not succeed.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ActionError {
    /// The action returned an error.
    #[error("action failed: {message}")]
    Failed {
        /// The error's message.
        message: String,
        /// The error as JSON, if it is `Serialize`: what [`convert`](Self::convert) reads.
        payload: Option<serde_json::Value>,
        /// The error itself, or after a restart the messages of its sources.
        source: Option<Arc<dyn Error + Send + Sync>>,
    },
    /// The output could not be encoded, or is larger than the limit.
    #[error("serialize failed: {message}")]
    SerializeFailed {
        /// What went wrong.
        message: String,
    },
    /// A stored value could not be decoded.
    #[error("deserialize failed: {message}")]
    DeserializeFailed {
        /// What went wrong.
        message: String,
    },
    /// A test injected the error.
    #[error("error injected")]
    Injected,
    /// The parameters of a subsaga could not be made.
    #[error("failed to create subsaga: {message}")]
    SubsagaCreateFailed {
        /// What went wrong.
        message: String,
    },
    /// The attempt took longer than its timeout.
    #[error("{message}")]
    TimedOut {
        /// After how long.
        message: String,
    },
    /// The attempt panicked.
    #[error("panicked: {message}")]
    Panicked {
        /// The panic's message and place.
        message: String,
    },
    /// The attempt was dropped.
    #[error("cancelled: {message}")]
    Cancelled {
        /// By whom.
        message: String,
    },
    /// The action looked up a node that is not one of its ancestors.
    #[error("{message}")]
    NotAnAncestor {
        /// Which node, and who asked.
        message: String,
    },
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
        let payload = serde_json::to_value(&error).ok();
        Self::from_parts(error.into(), payload)
    }

    pub(crate) fn from_parts(error: BoxError, payload: Option<serde_json::Value>) -> Self {
        let error = match error.downcast::<ActionError>() {
            Ok(own) => return *own,
            Err(other) => other,
        };
        let error = match error.downcast::<crate::context::LookupError>() {
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
            Self::Failed { payload: Some(payload), .. } => E::deserialize(payload).ok(),
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
        Failure { kind: self.kind(), message: self.message(), sources, error, retryable }
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

/// One node of a saga that did not complete.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NodeReport {
    /// Which node.
    pub node: NodePath,
    /// How it stands.
    pub state: ActionState,
    /// True if its action declares an undo.
    pub has_undo: bool,
    /// True if its effect may have happened without an output.
    pub in_doubt: bool,
    /// How often its action was started.
    pub attempts: u32,
    /// How its last attempt ended, if not well.
    pub error: Option<ActionError>,
    /// How its last undo ended, if not well.
    pub undo_error: Option<ActionError>,
}

/// How a saga ended that did not complete.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SagaReport {
    /// Which saga.
    pub saga: SagaId,
    /// Its durable name.
    pub name: String,
    /// Why it unwound.
    pub cause: Cause,
    /// The error of the node that failed first, if one did.
    pub error: Option<ActionError>,
    /// All of its nodes, in the order of declaration.
    pub nodes: Vec<NodeReport>,
}

impl SagaReport {
    /// The node whose failure made the saga unwind, if one did.
    pub fn failed_node(&self) -> Option<&NodePath> {
        match &self.cause {
            Cause::Failed { node } => Some(node),
            _ => None,
        }
    }

    /// The nodes in this state.
    pub fn nodes_in(&self, state: ActionState) -> impl Iterator<Item = &NodeReport> {
        self.nodes.iter().filter(move |n| n.state == state)
    }

    /// The nodes whose undo ran and finished.
    pub fn undone(&self) -> impl Iterator<Item = &NodePath> {
        self.nodes_in(ActionState::Undone).map(|n| &n.node)
    }

    /// Effects that are there and could not be undone.
    pub fn remain(&self) -> impl Iterator<Item = &NodePath> {
        // what a failed undo stands in front of was not undone either
        let remains = |n: &&NodeReport| match n.state {
            ActionState::UndoFailed => !n.in_doubt,
            ActionState::Completed => n.has_undo,
            _ => false,
        };
        self.nodes.iter().filter(remains).map(|n| &n.node)
    }

    /// Effects that may be there: nobody knows how these actions ended.
    pub fn may_remain(&self) -> impl Iterator<Item = &NodePath> {
        self.nodes_in(ActionState::UndoFailed).filter(|n| n.in_doubt).map(|n| &n.node)
    }

    pub(crate) fn why(&self) -> String {
        match (&self.cause, &self.error) {
            (Cause::Failed { node }, Some(error)) => format!("node `{node}`: {error}"),
            (Cause::Failed { node }, None) => format!("node `{node}` failed"),
            (Cause::Cancelled { reason }, _) => format!("cancelled: {reason}"),
            (Cause::DeadlineExceeded, _) => "deadline exceeded".to_string(),
            (Cause::Rollback { reason }, _) => format!("rolled back on request: {reason}"),
        }
    }

    fn names<'a>(what: &str, nodes: impl Iterator<Item = &'a NodePath>) -> String {
        let nodes = nodes.map(|n| format!("`{n}`")).collect::<Vec<_>>();
        if nodes.is_empty() { String::new() } else { format!("; {what}: {}", nodes.join(", ")) }
    }
}

/// Why a saga did not complete.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SagaError {
    /// It ended with all of its effects undone.
    #[error("saga {} rolled back: {}", .0.saga, .0.why())]
    RolledBack(Box<SagaReport>),
    /// It ended with effects that remain or may remain; an operator must look at it.
    #[error(
        "saga {} is stuck: {}{}{}", .0.saga, .0.why(),
        SagaReport::names("effects that remain", .0.remain()),
        SagaReport::names("effects that may remain", .0.may_remain())
    )]
    Stuck(Box<SagaReport>),
    /// It waits for an operator, and goes on when told to.
    #[error("saga {saga} is parked: {reason}")]
    Parked {
        /// Which saga.
        saga: SagaId,
        /// Why.
        reason: String,
    },
    /// Another worker runs it now.
    #[error("saga {saga} is no longer run by this process")]
    LostOwnership {
        /// Which saga.
        saga: SagaId,
    },
    /// The store failed. The saga goes on from its log when it is next recovered.
    #[error("saga {saga} stopped, and goes on when it is recovered: {source}")]
    Store {
        /// Which saga.
        saga: SagaId,
        /// What the store said.
        source: StoreError,
    },
    /// The coordinator was shut down. The saga goes on from its log when it is next recovered.
    #[error("saga {saga} was interrupted by a shutdown, and goes on when it is recovered")]
    ShutDown {
        /// Which saga.
        saga: SagaId,
    },
    /// Its stored log or values do not fit its definition.
    #[error("saga {saga}: {why}")]
    Corrupt {
        /// Which saga.
        saga: SagaId,
        /// What does not fit.
        why: String,
    },
    /// It was not started.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl SagaError {
    /// What became of its nodes, if it ended.
    pub fn report(&self) -> Option<&SagaReport> {
        match self {
            Self::RolledBack(report) | Self::Stuck(report) => Some(report),
            _ => None,
        }
    }

    /// The node that failed first, if one did.
    pub fn failed_node(&self) -> Option<&NodePath> {
        self.report().and_then(SagaReport::failed_node)
    }

    /// The error of that node.
    pub fn action_error(&self) -> Option<&ActionError> {
        self.report().and_then(|report| report.error.as_ref())
    }
}

/// Why a saga was not started. Nothing was written.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The coordinator does not know the saga.
    #[error(
        "saga `{saga}` is not registered; add `.saga::<{saga}>()` to the coordinator's builder ({})",
        known_list(.known)
    )]
    SagaNotRegistered {
        /// The saga's name.
        saga: String,
        /// The registered sagas.
        known: Vec<String>,
    },
    /// The DAG names an action that the coordinator does not know.
    #[error(transparent)]
    Registry(#[from] crate::registry::RegistryError),
    /// The id cannot be one.
    #[error(transparent)]
    InvalidId(#[from] crate::log::InvalidSagaId),
    /// The id belongs to a saga with another name or other parameters.
    #[error(
        "id conflict: saga {saga} exists and was started with {}; use another id",
        conflict(.existing, .requested)
    )]
    IdConflict {
        /// The id.
        saga: SagaId,
        /// The name of the saga that has it.
        existing: String,
        /// The name of the saga that was to get it.
        requested: String,
    },
    /// The parameters cannot be encoded.
    #[error("the parameters of saga `{saga}` cannot be stored: {why}")]
    Params {
        /// The saga's name.
        saga: String,
        /// What went wrong.
        why: String,
    },
    /// The coordinator is shutting down.
    #[error("the coordinator is shut down; it starts no sagas")]
    ShutDown,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The saga is there, but cannot be read.
    #[error("saga {saga}: {why}")]
    Corrupt {
        /// Which saga.
        saga: SagaId,
        /// What does not fit.
        why: String,
    },
}

fn known_list(known: &[String]) -> String {
    if known.is_empty() {
        "no saga is registered".to_string()
    } else {
        format!("registered: {}", known.join(", "))
    }
}

fn conflict(existing: &str, requested: &str) -> String {
    if existing == requested {
        "other parameters".to_string()
    } else {
        format!("as `{existing}`, not `{requested}`")
    }
}
