//! What happens to a node, in the six words that a reader of logs needs: a view of the entries.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use super::{Entry, EntryKind, Failure, FailureKind, NodeEntry, NodePath, Payload, Timestamp};
use crate::ambient::system_time;

/// Something that happened to one node.
///
/// ```
/// use saga_core::log::{SagaNodeEvent, SagaNodeEventType};
/// let mut event = SagaNodeEvent::new("ship", SagaNodeEventType::UndoFailed("no answer".into()));
/// event.at.0 = 7;
/// let json = serde_json::json!({ "node": "ship", "at": 7, "event": "undo_failed", "data": "no answer" });
/// assert_eq!(serde_json::to_value(&event)?, json);
/// assert_eq!(serde_json::from_value::<SagaNodeEvent>(json)?, event);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SagaNodeEvent {
    /// Which node.
    pub node: NodePath,
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: SagaNodeEventType,
}

impl SagaNodeEvent {
    /// An event that happens now.
    pub fn new(node: impl Into<NodePath>, event: SagaNodeEventType) -> Self {
        let since = system_time().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { node: node.into(), at: Timestamp(0).after(since), event }
    }

    /// What an entry says about a node, if it is one of the six.
    pub(crate) fn of(entry: &Entry) -> Option<Self> {
        match &entry.kind {
            EntryKind::Saga(_) => None,
            EntryKind::Node { node, entry: recorded, .. } => {
                let event = recorded.event()?;
                Some(Self { node: node.clone(), at: entry.at, event })
            }
        }
    }
}

/// What was written is JSON; what was written under a key that is not here shows as null.
pub(crate) fn value_of(payload: &Payload) -> Value {
    serde_json::from_slice(payload.as_bytes()).unwrap_or_default()
}

/// What happened. Its `Debug` does not show outputs.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event", content = "data")]
pub enum SagaNodeEventType {
    /// An attempt of the action began.
    Started,
    /// The node has this output; a [`Value`] rounds integers beyond `u64`, which the log has exactly.
    Succeeded(Value),
    /// The attempt did not succeed; the error's message.
    Failed(String),
    /// An attempt of the undo began.
    UndoStarted,
    /// The node's effect is gone.
    UndoFinished,
    /// The effect remains or may remain; the error's message.
    UndoFailed(String),
}

impl SagaNodeEventType {
    /// The word that is stored and shown.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Succeeded(_) => "succeeded",
            Self::Failed(_) => "failed",
            Self::UndoStarted => "undo_started",
            Self::UndoFinished => "undo_finished",
            Self::UndoFailed(_) => "undo_failed",
        }
    }

    /// The status of the node after it.
    pub fn status(&self) -> SagaNodeLoadStatus {
        match self {
            Self::Started => SagaNodeLoadStatus::Started,
            Self::Succeeded(_) => SagaNodeLoadStatus::Succeeded,
            Self::Failed(_) => SagaNodeLoadStatus::Failed,
            Self::UndoStarted => SagaNodeLoadStatus::UndoStarted,
            Self::UndoFinished => SagaNodeLoadStatus::UndoFinished,
            Self::UndoFailed(_) => SagaNodeLoadStatus::UndoFailed,
        }
    }

    pub(super) fn into_entry(self) -> NodeEntry {
        let failure = |message: String| Failure::new(FailureKind::Failed, message).into();
        match self {
            Self::Started => NodeEntry::Started,
            Self::Succeeded(output) => NodeEntry::Succeeded(output.to_string().into_bytes().into()),
            Self::Failed(message) => NodeEntry::Failed(failure(message)),
            Self::UndoStarted => NodeEntry::UndoStarted,
            Self::UndoFinished => NodeEntry::UndoFinished,
            Self::UndoFailed(message) => NodeEntry::UndoFailed(failure(message)),
        }
    }
}

impl fmt::Display for SagaNodeEventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for SagaNodeEventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(message) | Self::UndoFailed(message) => {
                write!(f, "{}({message:?})", self.name())
            }
            Self::Started | Self::Succeeded(_) | Self::UndoStarted | Self::UndoFinished => {
                f.write_str(self.name())
            }
        }
    }
}

/// The status of a node, as far as its events say.
///
/// ```
/// use saga_core::log::SagaNodeLoadStatus;
/// assert_eq!("undo_started".parse(), Ok(SagaNodeLoadStatus::UndoStarted));
/// let error = serde_json::from_str::<SagaNodeLoadStatus>("\"bogus\"").unwrap_err();
/// assert!(error.to_string().contains("invalid SagaNodeLoadStatus: bogus"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SagaNodeLoadStatus {
    /// Nothing has happened.
    NeverStarted,
    /// An attempt of the action runs, or was cut off.
    Started,
    /// It has its output.
    Succeeded,
    /// Its last attempt did not succeed.
    Failed,
    /// An attempt of its undo runs, or was cut off.
    UndoStarted,
    /// Its effect is gone.
    UndoFinished,
    /// Its effect remains or may remain.
    UndoFailed,
}

impl SagaNodeLoadStatus {
    const ALL: [Self; 7] = [
        Self::NeverStarted,
        Self::Started,
        Self::Succeeded,
        Self::Failed,
        Self::UndoStarted,
        Self::UndoFinished,
        Self::UndoFailed,
    ];

    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NeverStarted => "never_started",
            Self::Started => "started",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::UndoStarted => "undo_started",
            Self::UndoFinished => "undo_finished",
            Self::UndoFailed => "undo_failed",
        }
    }

    /// May this happen next? `Err` is the status that forbids it. What the saga as a whole allows (who waits
    /// for whom, which undo there is) takes its DAG, and is the machine's to say.
    pub(super) fn then(self, event: &SagaNodeEventType) -> Result<(), Self> {
        use SagaNodeEventType as Event;
        let legal = match event {
            // after a crash, a failure with tries left, or when an operator says so; and after an undo whose
            // output was in memory only and is lost
            Event::Started => !matches!(self, Self::Succeeded | Self::UndoFinished),
            // a constant has its value without a start; one that cannot be read, an operator replaces; and an action may be
            // asked whether it took effect, also after an operator's retry of an undo that did not know
            Event::Succeeded(_) => matches!(
                self,
                Self::NeverStarted
                    | Self::Started
                    | Self::Failed
                    | Self::Succeeded
                    | Self::UndoFailed
            ),
            // a value that cannot be computed fails without a start
            Event::Failed(_) => matches!(self, Self::NeverStarted | Self::Started | Self::Failed),
            Event::UndoStarted => !matches!(self, Self::NeverStarted | Self::UndoFinished),
            Event::UndoFinished => self == Self::UndoStarted,
            // again, after an operator's retry that came to no call: the retry is no event of the node
            Event::UndoFailed(_) => {
                matches!(self, Self::Started | Self::Failed | Self::UndoStarted | Self::UndoFailed)
            }
        };
        if legal { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for SagaNodeLoadStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is not a [`SagaNodeLoadStatus`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid SagaNodeLoadStatus: {0}")]
pub struct InvalidSagaNodeLoadStatus(pub String);

impl FromStr for SagaNodeLoadStatus {
    type Err = InvalidSagaNodeLoadStatus;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == s);
        found.ok_or_else(|| InvalidSagaNodeLoadStatus(s.to_string()))
    }
}

impl<'de> Deserialize<'de> for SagaNodeLoadStatus {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let word = std::borrow::Cow::<str>::deserialize(from)?;
        word.parse().map_err(de::Error::custom)
    }
}

/// An event that cannot follow on those before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("illegal event {event} for current load status {status} of node `{node}`")]
pub struct IllegalEvent {
    /// The event.
    pub event: &'static str,
    /// The status of the node.
    pub status: SagaNodeLoadStatus,
    /// Which node.
    pub node: NodePath,
}
