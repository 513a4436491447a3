//! What the log records when a saga goes on under another version of its definition.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Entry, SagaEntry};
use crate::log::NodePath;
use crate::names::NodeName;

/// A change of a saga's definition: from which version to which, and what stays as it was. The entries that follow it are
/// about the new version, so a reader needs the old definition no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migrated {
    /// The version of the old definition.
    pub from: u32,
    /// The version of the new definition.
    pub to: u32,
    /// The fingerprint of the old definition.
    pub left: String,
    /// Under which name the nodes of the outermost DAG make their idempotency keys, where that is not their own: a node that
    /// had another name keeps the keys of that name, and a new node does not use those of an old one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<NodeName, String>,
    /// How many of the entries that follow tell again what the log had before, in the words of the new version. They record
    /// nothing that happened at their time.
    #[serde(default)]
    pub retold: u64,
    /// Attempts that are not told again: of each node, only the last one is. A node has as many lines in the log after its tenth
    /// migration as after its first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub earlier: BTreeMap<NodePath, EarlierAttempts>,
    /// How many nodes or undos may still start although the saga is paused, because operators have said so.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub steps: u32,
    /// Nodes of the old definition whose effects remain, because the migration said so. Nobody undoes them any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<NodePath>,
    /// The keys of these nodes, in the same order. A log of an earlier version of this library has none here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_keys: Vec<KeptKey>,
}

/// What the keys of a node are made of whose effect remains, beside the key of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptKey {
    /// The path of the node, with the name under which it made its keys.
    pub name: String,
    /// The generation of the last key of its action.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u32,
}

/// The attempts of a node before the one that is told again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierAttempts {
    /// How many there were.
    pub attempts: u32,
    /// How many of them do not count as tries, because they were cut off by the end of their process, or because an operator has
    /// said to try again since.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub uncounted: u32,
    /// The generation of the key of the attempt that is told again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl fmt::Display for Migrated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from version {} to version {}", self.from, self.to)?;
        if self.kept.is_empty() {
            return Ok(());
        }
        f.write_str("; nobody undoes any more: ")?;
        for (i, node) in self.kept.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}`{node}`")?;
        }
        Ok(())
    }
}

/// The part of a log that is about the version which the saga has now: the entries after the last `migrated`, or all of them.
/// They say everything about the state of its nodes.
pub fn since_migration(log: &[Entry]) -> &[Entry] {
    let last = log.iter().rposition(|e| matches!(e.saga_entry(), Some(SagaEntry::Migrated(_))));
    last.and_then(|last| log.get(last + 1..)).unwrap_or(log)
}

/// The entries of a log without those that only tell again what is before a `migrated`: each records what happened at its
/// time, with the names that the nodes had then.
pub fn without_retold(log: &[Entry]) -> impl Iterator<Item = &Entry> {
    let mut retold = 0_u64;
    log.iter().filter(move |entry| {
        let is_retold = retold > 0;
        retold = retold.saturating_sub(1);
        if let Some(SagaEntry::Migrated(migrated)) = entry.saga_entry() {
            retold = migrated.retold;
        }
        !is_retold
    })
}
