//! The saga log: the only thing that a saga leaves on disk, and the only thing that recovery reads.
//!
//! A log is a list of [`Entry`]s with dense sequence numbers from 1. What a saga has done, what it
//! may have done and what it must do next all follow from the entries; nothing else is stored.
//! (The idea: Garcia-Molina & Salem, *Sagas*, 1987; the vocabulary: McCaffrey's distributed sagas
//! and Oxide's steno.)

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use uuid::Uuid;

/// The name that a user gives one run of a saga: 1–128 bytes of `[A-Za-z0-9._:-]`.
///
/// ```
/// use saga_core::SagaId;
/// let id: SagaId = "order-42".parse()?;
/// assert_eq!(id.as_str(), "order-42");
/// assert!("../../etc/passwd".parse::<SagaId>().is_err());
/// # Ok::<(), saga_core::InvalidSagaId>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SagaId(Arc<str>);

/// Why a string is not a [`SagaId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSagaId {
    /// The id is empty.
    #[error("a saga id must not be empty")]
    Empty,
    /// The id is longer than [`SagaId::MAX_LEN`] bytes.
    #[error("a saga id has at most {max} bytes, this one has {0}", max = SagaId::MAX_LEN)]
    TooLong(usize),
    /// The id holds a character outside `[A-Za-z0-9._:-]`.
    #[error("saga id \"{}\" contains {found:?}; allowed are A-Z a-z 0-9 . _ : -", id.escape_default())]
    BadCharacter {
        /// The id as it was given.
        id: String,
        /// The first character that is not allowed.
        found: char,
    },
}

impl SagaId {
    /// The longest id, in bytes.
    pub const MAX_LEN: usize = 128;

    /// A new id that sorts by time: a UUIDv7.
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7().to_string().into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SagaId {
    type Err = InvalidSagaId;
    fn from_str(s: &str) -> Result<Self, InvalidSagaId> {
        if s.is_empty() {
            return Err(InvalidSagaId::Empty);
        }
        if s.len() > Self::MAX_LEN {
            return Err(InvalidSagaId::TooLong(s.len()));
        }
        let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
        match s.chars().find(|c| !ok(*c)) {
            Some(found) => Err(InvalidSagaId::BadCharacter { id: s.to_string(), found }),
            None => Ok(Self(s.into())),
        }
    }
}

impl TryFrom<String> for SagaId {
    type Error = InvalidSagaId;
    fn try_from(s: String) -> Result<Self, InvalidSagaId> {
        s.parse()
    }
}

impl TryFrom<&str> for SagaId {
    type Error = InvalidSagaId;
    fn try_from(s: &str) -> Result<Self, InvalidSagaId> {
        s.parse()
    }
}

impl From<SagaId> for String {
    fn from(id: SagaId) -> String {
        id.0.to_string()
    }
}

impl fmt::Display for SagaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SagaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SagaId({})", self.0)
    }
}

impl Borrow<str> for SagaId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Where a node stands in its saga: names joined by `/`, with `[i]` for an instance of a `for` and
/// `#k` for an arm of a choice, as in `disks[2]/volume`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodePath(Arc<str>);

impl NodePath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Arc<str>> for NodePath {
    fn from(s: Arc<str>) -> Self {
        Self(s)
    }
}

impl From<&str> for NodePath {
    fn from(s: &str) -> Self {
        Self(s.into())
    }
}

impl From<String> for NodePath {
    fn from(s: String) -> Self {
        Self(s.into())
    }
}

impl fmt::Display for NodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl PartialEq<str> for NodePath {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for NodePath {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

/// A moment of wall time: milliseconds since the Unix epoch.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This moment and `delay` later; stops at the end of time.
    pub fn after(self, delay: std::time::Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// An encoded value: parameters, an output, a context. Cheap to clone; its `Debug` shows the size only,
/// so that what users store never ends in their traces.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Payload(Arc<[u8]>);

impl Payload {
    /// The encoded bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is not a single byte.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}

/// What a saga is doing, as stored and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SagaStatus {
    /// Going forward.
    Running,
    /// Unwinding is decided; actions are still in flight and nothing new starts.
    Failed,
    /// Undo actions run.
    RollingBack,
    /// Ended: every effect is there.
    Completed,
    /// Ended: no effect is left (but residue that an operator resolved by hand).
    RolledBack,
    /// Ended, with effects that remain or may remain; an operator resolves it.
    Stuck,
}

impl SagaStatus {
    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Failed => "failed",
            Self::RollingBack => "rolling_back",
            Self::Completed => "completed",
            Self::RolledBack => "rolled_back",
            Self::Stuck => "stuck",
        }
    }

    /// True for the statuses that an `ended` entry can carry.
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Completed | Self::RolledBack | Self::Stuck)
    }
}

impl fmt::Display for SagaStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is not a status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid SagaStatus: {0}")]
pub struct InvalidSagaStatus(pub String);

impl FromStr for SagaStatus {
    type Err = InvalidSagaStatus;
    fn from_str(s: &str) -> Result<Self, InvalidSagaStatus> {
        use SagaStatus::{Completed, Failed, RolledBack, RollingBack, Running, Stuck};
        [Running, Failed, RollingBack, Completed, RolledBack, Stuck]
            .into_iter()
            .find(|status| status.as_str() == s)
            .ok_or_else(|| InvalidSagaStatus(s.to_string()))
    }
}

/// The state of one node, as shown in errors and listings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionState {
    /// Not started.
    Pending,
    /// Started; no outcome yet.
    Running,
    /// Has its output.
    Completed,
    /// Its last attempt failed.
    Failed,
    /// Its undo runs.
    Undoing,
    /// Its effect is gone.
    Undone,
    /// Its effect remains or may remain.
    UndoFailed,
    /// Will not run.
    Skipped,
}

impl fmt::Display for ActionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
            Self::UndoFailed => "undo_failed",
            Self::Skipped => "skipped",
        })
    }
}

/// In which way an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The action returned an error.
    Failed,
    /// The output could not be encoded, or is larger than the limit.
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<serde_json::Value>,
    /// True if another attempt may have another result.
    #[serde(default)]
    pub retryable: bool,
}

impl Failure {
    /// A failure without sources or payload that may be retried.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), sources: Vec::new(), error: None, retryable: true }
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

/// What one entry records. The variants' names are the words in the stored log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// The saga exists; always entry 1.
    Created {
        /// Random for each run: the root of all idempotency keys.
        birth: uuid::Uuid,
    },
    /// An attempt of an action begins.
    Started,
    /// The node has its output.
    Succeeded(Payload),
    /// The attempt left no effect.
    Failed(Failure),
    /// The attempt may have had its effect.
    InDoubt(Failure),
    /// The next attempt begins at this time.
    RetryScheduled {
        /// When.
        at: Timestamp,
    },
    /// How many instances a `for` has, or which arm of a choice runs.
    Chosen(u64),
    /// The node will not run.
    Skipped,
    /// An attempt of an undo begins.
    UndoStarted,
    /// The node's effect is gone.
    UndoFinished,
    /// The effect remains or may remain.
    UndoFailed(Failure),
    /// The next attempt of the undo begins at this time.
    UndoRetryScheduled {
        /// When.
        at: Timestamp,
        /// How this attempt ended.
        failure: Failure,
    },
    /// From here on the saga unwinds.
    Unwinding(Cause),
    /// A human took care of the effect.
    Resolved {
        /// Who.
        by: String,
        /// What they did.
        note: String,
    },
    /// No new node or undo starts.
    Paused,
    /// The end of a pause.
    Resumed,
    /// The saga waits for a human.
    Parked {
        /// Why.
        reason: String,
    },
    /// The end of that wait.
    Unparked,
    /// An operator asked for something.
    Requested {
        /// For what, as JSON.
        command: serde_json::Value,
    },
    /// A request was refused.
    Refused {
        /// The request, as JSON.
        command: serde_json::Value,
        /// Why.
        why: String,
    },
    /// A test's fault, kept for the saga.
    Injected {
        /// The fault, as JSON.
        fault: serde_json::Value,
    },
    /// The saga goes on under another definition.
    Migrated {
        /// The definition's fingerprint.
        fingerprint: String,
    },
    /// The saga has ended.
    Ended(SagaStatus),
}

impl EntryKind {
    /// The word that is stored and shown.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "created",
            Self::Started => "started",
            Self::Succeeded(_) => "succeeded",
            Self::Failed(_) => "failed",
            Self::InDoubt(_) => "in_doubt",
            Self::RetryScheduled { .. } => "retry_scheduled",
            Self::Chosen(_) => "chosen",
            Self::Skipped => "skipped",
            Self::UndoStarted => "undo_started",
            Self::UndoFinished => "undo_finished",
            Self::UndoFailed(_) => "undo_failed",
            Self::UndoRetryScheduled { .. } => "undo_retry_scheduled",
            Self::Unwinding(_) => "unwinding",
            Self::Resolved { .. } => "resolved",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Parked { .. } => "parked",
            Self::Unparked => "unparked",
            Self::Requested { .. } => "requested",
            Self::Refused { .. } => "refused",
            Self::Injected { .. } => "injected",
            Self::Migrated { .. } => "migrated",
            Self::Ended(_) => "ended",
        }
    }
}

/// One line of a saga's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Dense, from 1.
    pub seq: u64,
    /// Which ownership of the saga wrote it.
    pub epoch: u64,
    /// Wall time.
    pub at: Timestamp,
    /// The node that it is about; none for entries about the saga.
    pub node: Option<NodePath>,
    /// Which attempt of that node's action or undo, from 1; 0 where there is none.
    pub attempt: u32,
    /// What it records.
    pub kind: EntryKind,
}

/// A stored entry that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorruptEntry {
    /// No entry kind has this name.
    #[error("unknown log entry kind {0:?}")]
    UnknownKind(String),
    /// The payload is not what this kind carries.
    #[error("the payload of a `{kind}` entry does not decode: {why}")]
    BadPayload {
        /// The kind.
        kind: &'static str,
        /// What the decoder said.
        why: String,
    },
}

mod codec;
