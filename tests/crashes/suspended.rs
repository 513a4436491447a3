//! A saga that nobody keeps in memory until its time comes: after a crash it is where its worker has left it.

use saga_core::log::{Entry, SagaEntry, Timestamp};
use saga_core::prelude::*;
use saga_core::store::{Append, NewSaga, RecordChange, SagaRecord, Store, Suspension, WorkerId};

use crate::life::Trouble;
use crate::said::{Heard, Said, Says};

/// Nobody knows its definition, so no coordinator touches it, and nothing is said of its start.
pub(crate) const ID: &str = "suspended";
const FINGERPRINT: &str = "known to nobody";
const DUE: Timestamp = Timestamp(5);

fn entry(seq: u64, epoch: u64, kind: SagaEntry) -> Entry {
    Entry { seq, epoch, at: Timestamp(seq), kind: kind.into() }
}

/// It is suspended, claimed when it is due, and ended.
pub(crate) async fn suspend(store: &impl Store, says: &Says) -> Result<(), Trouble> {
    let (one, two) = (WorkerId::generate(), WorkerId::generate());
    let record = SagaRecord {
        fingerprint: FINGERPRINT.into(),
        next_seq: 2,
        ..SagaRecord::new(ID.parse()?, ID, one.clone(), Timestamp(1))
    };
    let created =
        SagaEntry::Created { run_key: record.run_key, traceparent: None, starts_at: None };
    store.create(NewSaga { record, entries: vec![entry(1, 1, created)] }).await?;
    let (saga, wake_at) = (ID.parse()?, Some(DUE));
    store.suspend(Suspension { saga, owner: one, epoch: 1, next_seq: 2, wake_at }).await?;
    says.say(&Said::Suspended);
    store.renew(&two).await?;
    let claimed = store.claim_due(&two, &[FINGERPRINT.to_string()], DUE, 10).await?;
    if claimed.len() != 1 {
        return Err(format!("claimed as due: {claimed:?}").into());
    }
    says.say(&Said::Claimed);
    let append = Append {
        saga: ID.parse()?,
        owner: two,
        epoch: 2,
        expected_next_seq: 2,
        entries: vec![entry(2, 2, SagaEntry::Ended(SagaStatus::Completed))],
        change: RecordChange::status(SagaStatus::Completed),
        answers: Vec::new(),
    };
    store.append(append).await?;
    Ok(())
}

/// What must be true after a crash.
pub(crate) async fn check(store: &impl Store, before: &Heard) -> Result<(), String> {
    let found = store.load(&ID.parse().unwrap()).await;
    let Some(found) = found.map_err(|e| e.to_string())? else {
        return match before.suspended && !before.purging {
            true => Err("the saga that was suspended is lost".to_string()),
            false => Ok(()),
        };
    };
    let record = found.record;
    let is_before = !record.suspended && record.owner.is_some() && record.epoch == 1;
    let is_suspended = record.suspended
        && record.owner.is_none()
        && record.wake_at == Some(DUE)
        && record.epoch == 1;
    let is_claimed = !record.suspended && record.owner.is_some() && record.epoch == 2;
    let right = match (before.suspended, before.claimed) {
        (false, _) => is_before || is_suspended,
        (true, false) => is_suspended || is_claimed,
        (true, true) => is_claimed,
    };
    match right {
        true => Ok(()),
        false => Err(format!("the saga that was suspended is now {record:?}")),
    }
}
