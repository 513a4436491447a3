//! What every store checks before it takes entries: that there are some, numbered without a gap.

use super::NewSaga;
use crate::log::{Entry, SagaId};

/// The sequence number after `entries`, or why they are refused.
pub(super) fn next_seq(saga: &SagaId, first: u64, entries: &[Entry]) -> Result<u64, String> {
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

/// Checks a new saga's entries, and that its record counts them rightly.
pub(super) fn new_saga(saga: &NewSaga) -> Result<(), String> {
    let NewSaga { record, entries } = saga;
    let next = next_seq(&record.id, 1, entries)?;
    if record.next_seq != next {
        return Err(format!(
            "the record of the new saga {} says next_seq {}, after its entries comes {next}; \
             set it to that",
            record.id, record.next_seq
        ));
    }
    Ok(())
}
