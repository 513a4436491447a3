//! How an attempt ended that did not succeed, and why a saga unwinds.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{NodePath, Payload, raw};

/// In which way an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The action returned an error.
    Failed,
    /// The output could not be encoded, or not be read back from what was encoded, or is larger than the
    /// limit.
    SerializeFailed,
    /// A stored value could not be decoded.
    DeserializeFailed,
    /// A test injected the error.
    Injected,
    /// The parameters of a subsaga could not be made.
    SubsagaCreateFailed,
    /// The attempt took longer than its timeout.
    TimedOut,
    /// The attempt panicked.
    Panicked,
    /// The attempt was dropped.
    Cancelled,
    /// The action looked up a node that is not one of its ancestors.
    NotAnAncestor,
}

/// How an attempt ended that did not succeed, as stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// In which way.
    pub kind: FailureKind,
    /// The error's message.
    pub message: String,
    /// The messages of its sources, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// The error itself as JSON, if it is `Serialize`.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "raw::optional")]
    pub error: Option<Payload>,
    /// True if another attempt may have another result.
    #[serde(default)]
    pub retryable: bool,
    /// True if the transaction of an action was rolled back. Then no earlier attempt took effect either: its
    /// transaction would have left the output in the log.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rolled_back: bool,
}

impl Failure {
    /// A failure without sources or payload that may be retried.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            sources: Vec::new(),
            error: None,
            retryable: true,
            rolled_back: false,
        }
    }

    /// The same, but no other attempt would end differently.
    pub fn permanent(self) -> Self {
        Self { retryable: false, ..self }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // not the error's own JSON: it is the user's payload
        f.debug_struct("Failure")
            .field("kind", &self.kind)
            .field("message", &self.message)
            .field("retryable", &self.retryable)
            .finish_non_exhaustive()
    }
}

/// Why the body of a `try` was undone: what [`Result`] has in place of its output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TryFailure {
    /// The node that failed.
    pub node: NodePath,
    /// How its last attempt ended.
    pub failure: Failure,
}

impl fmt::Display for TryFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node `{}` failed: {}", self.node, self.failure.message)
    }
}

impl std::error::Error for TryFailure {}

/// Why a saga unwinds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "cause")]
pub enum Cause {
    /// A node failed with no tries left.
    Failed {
        /// The node.
        node: NodePath,
    },
    /// Somebody cancelled the saga.
    Cancelled {
        /// The reason they gave.
        reason: String,
    },
    /// The saga's deadline passed.
    DeadlineExceeded,
    /// Somebody rolled back the completed saga.
    Rollback {
        /// The reason they gave.
        reason: String,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { node } => write!(f, "node `{node}` failed"),
            Self::Cancelled { reason } => write!(f, "cancelled: {reason}"),
            Self::DeadlineExceeded => f.write_str("deadline exceeded"),
            Self::Rollback { reason } => write!(f, "rolled back on request: {reason}"),
        }
    }
}
