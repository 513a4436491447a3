//! A saga that goes on under another definition: after a crash it has the whole of the old one or the whole of the new one.

use saga_core::log::{Entry, NodeEntry, Payload, SagaEntry, Timestamp};
use saga_core::prelude::*;
use saga_core::store::{Append, NewDefinition, NewSaga, RecordChange, SagaRecord, Store, WorkerId};

use crate::life::Trouble;
use crate::said::{Heard, Said, Says};

/// It has ended, so that no coordinator touches it, and nothing is said of its start.
pub(crate) const ID: &str = "redefined";

fn definition(which: &str) -> NewDefinition {
    let payload = |what: &str| Payload::from(format!("{what} of the {which}").into_bytes());
    NewDefinition { fingerprint: which.into(), params: payload("params"), dag: payload("dag") }
}

fn entry(seq: u64, kind: saga_core::log::EntryKind) -> Entry {
    Entry { seq, epoch: 1, at: Timestamp(seq), kind }
}

pub(crate) async fn redefine(store: &impl Store, says: &Says) -> Result<(), Trouble> {
    let owner = WorkerId::generate();
    let NewDefinition { fingerprint, params, dag } = definition("first");
    let record = SagaRecord {
        fingerprint,
        params,
        dag,
        status: SagaStatus::Completed,
        next_seq: 2,
        ..SagaRecord::new(ID.parse()?, "redefined", owner.clone(), Timestamp(1))
    };
    let created = entry(
        1,
        SagaEntry::Created { run_key: record.run_key, traceparent: None, starts_at: None }.into(),
    );
    store.create(NewSaga { record, entries: vec![created] }).await?;
    let append = Append {
        saga: ID.parse()?,
        owner,
        epoch: 1,
        expected_next_seq: 2,
        entries: vec![entry(2, NodeEntry::Skipped.about("a", 0))],
        change: RecordChange {
            definition: Some(Box::new(definition("second"))),
            ..RecordChange::status(SagaStatus::Completed)
        },
        answers: Vec::new(),
    };
    store.append(append).await?;
    says.say(&Said::Redefined);
    Ok(())
}

/// What must be true after a crash.
pub(crate) async fn check(store: &impl Store, before: &Heard) -> Result<(), String> {
    let found = store.load(&ID.parse().unwrap()).await;
    let Some(found) = found.map_err(|e| e.to_string())? else {
        return match before.redefined && !before.purging {
            true => Err("the saga that was redefined is lost".to_string()),
            false => Ok(()),
        };
    };
    let SagaRecord { fingerprint, params, dag, .. } = found.record;
    let found = (NewDefinition { fingerprint, params, dag }, found.entries.len());
    let is_old = found == (definition("first"), 1) && !before.redefined;
    if !is_old && found != (definition("second"), 2) {
        return Err(format!("the saga that was redefined is now {found:?}"));
    }
    Ok(())
}
