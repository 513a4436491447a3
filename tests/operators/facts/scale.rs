//! Lists and counts of a store with many sagas.

use super::*;
use saga_core::SagaStatus;
use saga_core::log::{Entry, Payload, SagaEntry, Timestamp, Uuid};
use saga_core::operator::{HumanReason, NeedsHumanFilter};
use saga_core::store::{FileStore, NewSaga, SagaRecord, WorkerId};

/// A saga of a hundred is stuck, one of a thousand is parked, and the others have completed or wait for a time.
fn saga(n: usize, now: Timestamp) -> NewSaga {
    let id = format!("order-{n:06}").parse().unwrap();
    let mut record = SagaRecord::new(id, "Order", WorkerId::from("one"), Timestamp(n as u64));
    record.fingerprint = format!("f{}", n % 3).as_str().into();
    record.dag = Payload::from(b"{}".as_slice());
    match n % 1000 {
        7 => record.parked_reason = Some("why".to_string()),
        n if n % 100 == 3 => record.status = SagaStatus::Stuck,
        n if n % 2 == 0 => record.status = SagaStatus::Completed,
        _ => record.wake_at = Some(Timestamp(now.0 + 10_000_000)),
    }
    let run_key = record.run_key;
    let kind = SagaEntry::Created { run_key, traceparent: None, starts_at: None }.into();
    let entries = vec![Entry { seq: 1, epoch: 1, at: record.created_at, kind }];
    record.next_seq = 2;
    assert_ne!(run_key, Uuid::nil());
    NewSaga { record, entries }
}

/// Lists and counts sagas of a store.
async fn is_listed(store: impl Store + Clone, sagas: usize) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = Timestamp(now.as_millis() as u64);
    let creates = (0..sagas).map(|n| store.create(saga(n, now)));
    for create in futures_util::future::join_all(creates).await {
        create.unwrap();
    }
    let alice = Operator::attach(store, "alice", Duration::from_secs(1));
    let fleet = alice.fleet().await.unwrap();
    assert_eq!(fleet.sagas(), sagas as u64);
    assert_eq!(fleet.versions.len(), 3);
    assert_eq!(fleet.in_state(ListedState::Stuck), sagas as u64 / 100);
    let mut filter = NeedsHumanFilter { limit: 250, ..NeedsHumanFilter::default() };
    let (mut stuck, mut parked) = (0, 0);
    loop {
        let page = alice.needs_human(filter.clone()).await.unwrap();
        for found in &page.sagas {
            match found.reason {
                HumanReason::Stuck => stuck += 1,
                HumanReason::Parked => parked += 1,
                other => panic!("{other}"),
            }
        }
        filter.after = page.next;
        if filter.after.is_none() {
            break;
        }
    }
    assert_eq!((stuck, parked), (sagas / 100, sagas / 1000));
    let prefix = Some("order-0012".to_string());
    let some = SagaFilter { id_prefix: prefix, ..in_states(&[ListedState::Stuck]) };
    // a version that none of them has, without reading all of them
    let none = SagaFilter { version: Some(7), ..SagaFilter::default() };
    assert!(alice.list(none).await.unwrap().is_empty());
    let ids = alice.list(some).await.unwrap();
    let ids = ids.iter().map(|saga| saga.id.as_str()).collect::<Vec<_>>();
    assert_eq!(ids, ["order-001203"]);
}

fn block_on(done: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(done);
}

#[test]
fn a_hundred_thousand_sagas_in_memory_are_listed_and_counted() {
    block_on(is_listed(MemoryStore::new(), 100_000));
}

#[test]
fn many_sagas_in_sqlite_are_listed_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("sagas.db")).unwrap();

    block_on(is_listed(store, 10_000));
}

#[test]
fn many_sagas_in_files_are_listed_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileStore::open(directory.path().join("sagas")).unwrap();
    block_on(is_listed(store, 2_000));
}
