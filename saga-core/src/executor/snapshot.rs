//! Snapshots: a saga as one JSON object.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::coordinator::SagaView;
use crate::log::{
    Entry, EntryKind, NodePath, SagaId, SagaStatus, Timestamp, since_migration, utc, value_of,
};
use crate::store::{SagaRecord, StoredSaga};

/// A snapshot of a saga, derived from its log, for people and tools that read JSON. The saga itself resumes from
/// its log, not from a snapshot.
///
/// ```
/// use saga_core::executor::SagaSnapshot;
/// let json = serde_json::json!({
///     "saga_id": "order-42",
///     "saga_name": "Order",
///     "status": "running",
///     "context": { "items": [] },
///     "completed_actions": [{ "name": "reserve", "output": 7 }],
///     "created_at": "2026-11-24T03:13:20.123Z",
///     "updated_at": "2026-11-24T03:13:21.000Z",
/// });
/// let state: SagaSnapshot = serde_json::from_value(json.clone())?;
/// assert_eq!(state.completed_actions[0].output, 7);
/// assert_eq!(serde_json::to_value(&state)?, json);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct SagaSnapshot {
    /// The saga's id.
    pub saga_id: SagaId,
    /// Its durable name.
    pub saga_name: String,
    /// Its status.
    pub status: SagaStatus,
    /// The last stored context, if an executor ran the saga; otherwise its parameters, since the context of a
    /// coordinator is not stored.
    pub context: Value,
    /// The nodes that have an output and were not undone, in the order in which they completed.
    pub completed_actions: Vec<CompletedAction>,
    /// When it was created; in JSON as `2026-01-31T12:34:56.789Z`.
    #[serde(with = "utc")]
    pub created_at: Timestamp,
    /// When its log last grew.
    #[serde(with = "utc")]
    pub updated_at: Timestamp,
}

/// A node that has completed. Its `Debug` does not show the output.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct CompletedAction {
    /// The node.
    pub name: NodePath,
    /// Its output. A [`Value`] rounds integers beyond `u64`; the log has them exactly.
    pub output: Value,
}

impl From<&StoredSaga> for SagaSnapshot {
    /// A snapshot of a saga that was read from a store.
    fn from(stored: &StoredSaga) -> Self {
        Self::of(&stored.record, &stored.entries)
    }
}

impl From<&SagaView> for SagaSnapshot {
    /// A snapshot of a saga that a coordinator has [inspected](crate::Coordinator::inspect).
    fn from(view: &SagaView) -> Self {
        Self::of(&view.record, view.log.entries())
    }
}

impl SagaSnapshot {
    fn of(record: &SagaRecord, entries: &[Entry]) -> Self {
        let (mut completed_actions, mut undone) = (Vec::new(), HashSet::new());
        // backwards: an output that is undone later does not count
        for entry in since_migration(entries).iter().rev() {
            let EntryKind::Node { node: name, entry: recorded, .. } = &entry.kind else { continue };
            if let Some(output) = recorded.output()
                && !undone.contains(name)
            {
                let output = value_of(output);
                completed_actions.push(CompletedAction { name: name.clone(), output });
            }
            if recorded.ends_effect() {
                undone.insert(name);
            }
        }
        completed_actions.reverse();
        Self {
            saga_id: record.id.clone(),
            saga_name: record.name.to_string(),
            status: record.status,
            context: value_of(record.context.as_ref().unwrap_or(&record.params)),
            completed_actions,
            created_at: record.created_at,
            updated_at: record.updated_at,
        }
    }
}

impl fmt::Debug for SagaSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SagaSnapshot")
            .field("saga_id", &self.saga_id)
            .field("saga_name", &self.saga_name)
            .field("status", &self.status)
            .field("completed_actions", &self.completed_actions)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CompletedAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompletedAction").field("name", &self.name).finish_non_exhaustive()
    }
}
