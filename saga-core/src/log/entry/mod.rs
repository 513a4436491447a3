//! The entries of a log: the ones about the saga as a whole, and the ones about one of its nodes.
//!
//! A new kind of entry is a variant of [`SagaEntry`] or of [`NodeEntry`]. Its word in the stored log is the
//! variant's name in snake case, and its payload is the JSON of the variant's fields (see `codec`), so that
//! nothing else has to be told how it is stored.

mod codec;
mod form;
mod migrated;
mod node;
mod saga;

pub(crate) use form::EntryForm;
pub use migrated::{EarlierAttempts, KeptKey, Migrated, since_migration, without_retold};
pub use node::{NodeEntry, Resolution, Won};
pub(crate) use saga::Halt;
pub use saga::SagaEntry;

use super::{NodePath, Timestamp};

/// One line of a saga's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Dense, from 1.
    pub seq: u64,
    /// Which ownership of the saga wrote it.
    pub epoch: u64,
    /// Wall time; never before that of the entry before it, even if the clock is set back.
    pub at: Timestamp,
    /// What it records.
    pub kind: EntryKind,
}

/// What an entry is about, and what it records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// It is about the saga as a whole.
    Saga(SagaEntry),
    /// It is about one node.
    Node {
        /// The node.
        node: NodePath,
        /// Which attempt of the node's action or undo, from 1; 0 where there is none.
        attempt: u32,
        /// What it records.
        entry: NodeEntry,
    },
}

impl Entry {
    /// The node that it is about, if it is about one.
    pub fn node(&self) -> Option<&NodePath> {
        match &self.kind {
            EntryKind::Saga(_) => None,
            EntryKind::Node { node, .. } => Some(node),
        }
    }

    /// Which attempt of the node's action or undo it is about, from 1; 0 where there is none.
    pub fn attempt(&self) -> u32 {
        match self.kind {
            EntryKind::Saga(_) => 0,
            EntryKind::Node { attempt, .. } => attempt,
        }
    }

    /// What it records about a node, if it is about one.
    pub fn node_entry(&self) -> Option<&NodeEntry> {
        match &self.kind {
            EntryKind::Saga(_) => None,
            EntryKind::Node { entry, .. } => Some(entry),
        }
    }

    /// What it records about the saga, if it is about the saga as a whole.
    pub fn saga_entry(&self) -> Option<&SagaEntry> {
        match &self.kind {
            EntryKind::Saga(entry) => Some(entry),
            EntryKind::Node { .. } => None,
        }
    }
}

impl EntryKind {
    /// The word that is stored and shown.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Saga(entry) => entry.name(),
            Self::Node { entry, .. } => entry.name(),
        }
    }

    /// What it carries for people to read: the message of an error, a reason, who asked for what. Never
    /// a payload.
    pub fn message(&self) -> Option<String> {
        match self {
            Self::Saga(entry) => entry.message(),
            Self::Node { entry, .. } => entry.message(),
        }
    }

    /// True if it shows that the saga made progress, which ends a series of crashes.
    pub(crate) fn is_progress(&self) -> bool {
        match self {
            Self::Saga(entry) => entry.is_progress(),
            Self::Node { entry, .. } => entry.is_progress(),
        }
    }
}

impl From<SagaEntry> for EntryKind {
    fn from(entry: SagaEntry) -> Self {
        Self::Saga(entry)
    }
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
    /// An entry of this kind is about a node, and names none.
    #[error("a `{kind}` entry is about a node, and names none")]
    NoNode {
        /// The kind.
        kind: &'static str,
    },
    /// An entry of this kind is about the saga as a whole, and names a node or an attempt.
    #[error("a `{kind}` entry is about the saga as a whole, and names a node or an attempt")]
    UnexpectedNode {
        /// The kind.
        kind: &'static str,
    },
}
