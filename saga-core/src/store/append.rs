//! Compare and append: the request, its checks, and what it changes in the record.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{NewSaga, SagaRecord, StoreError, WorkerId};
use crate::log::{Answer, Entry, Payload, SagaId, SagaStatus, Timestamp};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
use crate::log::{EntryKind, NodeEntry};
use crate::planted::{Mistake, planted};

/// One compare-and-append; see [`Store::append`](super::Store::append).
#[derive(Debug, Clone)]
pub struct Append {
    /// The saga to append to.
    pub saga: SagaId,
    /// The worker that writes; it must own the saga.
    pub owner: WorkerId,
    /// The epoch under which the worker owns the saga; it must equal the saga's epoch.
    pub epoch: u64,
    /// The sequence number of the first entry; it must equal the saga's `next_seq`.
    pub expected_next_seq: u64,
    /// The entries: at least one, with consecutive sequence numbers from `expected_next_seq` on.
    pub entries: Vec<Entry>,
    /// The changes to the saga's record.
    pub change: RecordChange,
    /// Operators' requests to answer in the same transaction. Requests that do not exist, or have been
    /// answered, are skipped.
    pub answers: Vec<(Uuid, Answer)>,
}

/// The changes that an append makes to the saga's record, in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordChange {
    /// The new status.
    pub status: SagaStatus,
    /// When the saga should continue, if it waits.
    pub wake_at: Option<Timestamp>,
    /// The error that the saga ended with; `None` keeps the current value.
    pub error: Option<String>,
    /// A snapshot of the context; `None` keeps the current value.
    pub context: Option<Payload>,
    /// Whether the saga is paused; `None` keeps the current value.
    pub paused: Option<bool>,
    /// Why the saga is parked; `Some(None)` unparks it, and `None` keeps the current value.
    pub parked_reason: Option<Option<String>>,
    /// True if one of the entries records that an action or undo finished. That ends a series of crashes:
    /// `attempts` becomes 1.
    pub progress: bool,
    /// The definition under which the saga goes on; `None` keeps the current one. A saga that is migrated gets its new
    /// definition with the entry that says so. The saga keeps its name.
    pub definition: Option<Box<NewDefinition>>,
}

/// The definition under which a saga goes on from here: its fingerprint, its parameters and its DAG replace those in the
/// saga's [record](SagaRecord).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewDefinition {
    /// The fingerprint of the new DAG.
    pub fingerprint: Arc<str>,
    /// The encoded parameters, as the new definition reads them.
    pub params: Payload,
    /// The new DAG as JSON.
    pub dag: Payload,
}

impl RecordChange {
    /// Changes the status and nothing else.
    pub fn status(status: SagaStatus) -> Self {
        Self {
            status,
            wake_at: None,
            error: None,
            context: None,
            paused: None,
            parked_reason: None,
            progress: false,
            definition: None,
        }
    }
}

impl NewSaga {
    /// Checks everything that does not depend on the store's content: the entries have no gaps, and the
    /// record's `next_seq` follows the last one.
    ///
    /// # Errors
    /// Returns the reason, for [`StoreError::Failed`].
    pub fn check(&self) -> Result<(), String> {
        let next = next_seq(&self.record.id, 1, &self.entries)?;
        if self.record.next_seq != next {
            return Err(format!(
                "the record of the new saga {} has next_seq {}, but the entry after its last one is {next}; \
                 set next_seq to {next}",
                self.record.id, self.record.next_seq
            ));
        }
        Ok(())
    }
}

impl Append {
    /// Checks everything that does not depend on the store's content (that the entries have no gaps), and
    /// returns the sequence number after the last entry.
    ///
    /// # Errors
    /// Returns the reason, for [`StoreError::Failed`].
    pub fn check(&self) -> Result<u64, String> {
        next_seq(&self.saga, self.expected_next_seq, &self.entries)
    }

    /// Replaces the output in the first entry, if that is a `succeeded`; returns whether it is.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn replace_output(&mut self, output: Payload) -> bool {
        match self.entries.first_mut().map(|entry| &mut entry.kind) {
            Some(EntryKind::Node { entry: NodeEntry::Succeeded(of_call), .. }) => {
                *of_call = output;
                true
            }
            Some(EntryKind::Node { .. } | EntryKind::Saga(_)) | None => false,
        }
    }

    /// Compares the append with the record and, if they match, changes the record. This is for stores that
    /// keep records as [`SagaRecord`]s; the caller must store the entries and the answers together with the
    /// changed record.
    ///
    /// # Errors
    /// Returns [`StoreError::Fenced`] if the owner, the epoch or the next sequence number differs; the record
    /// is then unchanged.
    ///
    /// ```
    /// use saga_core::store::{Append, SagaRecord, StoreError};
    /// fn store_it(append: Append, record: &mut SagaRecord) -> Result<(), StoreError> {
    ///     let mut changed = record.clone();
    ///     append.apply_to(&mut changed)?;
    ///     // write `changed`, `append.entries` and `append.answers` in one transaction, then
    ///     *record = changed;
    ///     Ok(())
    /// }
    /// ```
    pub fn apply_to(&self, record: &mut SagaRecord) -> Result<(), StoreError> {
        let lost = record.owner.as_ref() != Some(&self.owner) || record.epoch != self.epoch;
        if lost && !planted(Mistake::FenceIgnored) || record.next_seq != self.expected_next_seq {
            return Err(StoreError::Fenced { saga: self.saga.clone() });
        }
        if let Some(last) = self.entries.last() {
            record.next_seq = last.seq.saturating_add(1);
            record.updated_at = last.at;
        }
        let change = &self.change;
        record.status = change.status;
        record.wake_at = change.wake_at;
        if change.error.is_some() {
            record.error.clone_from(&change.error);
        }
        if change.context.is_some() {
            record.context.clone_from(&change.context);
        }
        if let Some(paused) = change.paused {
            record.paused = paused;
        }
        if let Some(parked_reason) = &change.parked_reason {
            record.parked_reason.clone_from(parked_reason);
        }
        if change.progress {
            record.attempts = 1;
        }
        match &change.definition {
            Some(new) if !planted(Mistake::DefinitionKept) => {
                record.fingerprint.clone_from(&new.fingerprint);
                record.params.clone_from(&new.params);
                record.dag.clone_from(&new.dag);
            }
            Some(_) | None => {}
        }
        Ok(())
    }
}

/// Returns the sequence number after the last entry, or why the entries are refused.
fn next_seq(saga: &SagaId, first: u64, entries: &[Entry]) -> Result<u64, String> {
    if entries.is_empty() {
        return Err(format!("a write to saga {saga} has no entries; pass at least one"));
    }
    let mut next = first;
    for entry in entries {
        if entry.seq != next {
            return Err(format!(
                "a write to saga {saga} has entry {} where entry {next} is expected; \
                 number the entries without gaps",
                entry.seq
            ));
        }
        next = next.checked_add(1).ok_or_else(|| {
            format!("the log of saga {saga} cannot grow beyond entry {next}; start a new saga")
        })?;
    }
    Ok(next)
}
