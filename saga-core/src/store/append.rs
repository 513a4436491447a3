//! Compare and append: what is asked, what is checked, what it does to the record.

use uuid::Uuid;

use super::{NewSaga, SagaRecord, StoreError, WorkerId};
use crate::log::{Answer, Entry, Payload, SagaId, SagaStatus, Timestamp};

/// One compare-and-append.
#[derive(Debug, Clone)]
pub struct Append {
    /// Which saga.
    pub saga: SagaId,
    /// Who writes; must be the owner.
    pub owner: WorkerId,
    /// The writer's epoch; must be the saga's.
    pub epoch: u64,
    /// The sequence number of the first entry; must be the saga's next.
    pub expected_next_seq: u64,
    /// At least one entry, with sequence numbers dense from `expected_next_seq`.
    pub entries: Vec<Entry>,
    /// What else changes in the saga's record.
    pub change: RecordChange,
    /// Requests that are answered by this, in the same transaction; those that do not wait any more,
    /// or never did, are passed over.
    pub answers: Vec<(Uuid, Answer)>,
}

/// What an append changes in the saga's record, in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordChange {
    /// The new status.
    pub status: SagaStatus,
    /// When the saga wants to go on, if it waits.
    pub wake_at: Option<Timestamp>,
    /// The error that it ended with; `None` leaves what is there.
    pub error: Option<String>,
    /// A snapshot of the context; `None` leaves what is there.
    pub context: Option<Payload>,
    /// The new pause, if it changed.
    pub paused: Option<bool>,
    /// The new reason to be parked (`Some(None)`: not parked any more), if it changed.
    pub parked_reason: Option<Option<String>>,
    /// True if one of the entries is an outcome, which ends a series of crashes: `attempts`
    /// becomes 1.
    pub progress: bool,
}

impl RecordChange {
    /// A new status and nothing else.
    pub fn status(status: SagaStatus) -> Self {
        Self {
            status,
            wake_at: None,
            error: None,
            context: None,
            paused: None,
            parked_reason: None,
            progress: false,
        }
    }
}

impl NewSaga {
    /// Checks what does not depend on the store's content: entries without a gap, and a record that
    /// counts them rightly.
    ///
    /// # Errors
    /// What is wrong, for [`StoreError::Failed`].
    pub fn check(&self) -> Result<(), String> {
        let next = next_seq(&self.record.id, 1, &self.entries)?;
        if self.record.next_seq != next {
            return Err(format!(
                "the record of the new saga {} says next_seq {}, after its entries comes {next}; \
                 set it to that",
                self.record.id, self.record.next_seq
            ));
        }
        Ok(())
    }
}

impl Append {
    /// Checks what does not depend on the store's content, entries without a gap, and returns the
    /// sequence number that comes after them.
    ///
    /// # Errors
    /// What is wrong, for [`StoreError::Failed`].
    pub fn check(&self) -> Result<u64, String> {
        next_seq(&self.saga, self.expected_next_seq, &self.entries)
    }

    /// The compare, and what the append makes of the record. For stores that keep records as they
    /// are; the entries and the answers are the caller's to store, together with the record.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] if owner, epoch or next sequence number differ; the record is then
    /// unchanged.
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
        if record.owner.as_ref() != Some(&self.owner)
            || record.epoch != self.epoch
            || record.next_seq != self.expected_next_seq
        {
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
        Ok(())
    }
}

/// The sequence number after `entries`, or why they are refused.
fn next_seq(saga: &SagaId, first: u64, entries: &[Entry]) -> Result<u64, String> {
    if entries.is_empty() {
        return Err(format!("a write to saga {saga} has no entries; give at least one"));
    }
    let mut next = first;
    for entry in entries {
        if entry.seq != next {
            return Err(format!(
                "a write to saga {saga} has entry {} where entry {next} belongs; \
                 number its entries without gaps",
                entry.seq
            ));
        }
        next = next.checked_add(1).ok_or_else(|| {
            format!("the log of saga {saga} cannot grow beyond entry {next}; start a new saga")
        })?;
    }
    Ok(next)
}
