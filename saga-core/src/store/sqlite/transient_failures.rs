//! Tests that the store recovers from a full disk, and from a database that another program has locked for long.

use super::super::{NewSaga, SagaRecord, Store, StoreError, WorkerId};
use super::SqliteStore;
use crate::log::{Entry, Payload, SagaEntry, Timestamp, Uuid};

fn new_saga(id: &str, size: usize) -> NewSaga {
    let worker = WorkerId::from("one");
    let mut record = SagaRecord::new(id.parse().unwrap(), "Trip", worker, Timestamp(1));
    record.params = Payload::from(vec![b'7'; size]);
    record.next_seq = 2;
    let kind = SagaEntry::Created { run_key: Uuid::nil(), traceparent: None, starts_at: None };
    let entry = Entry { seq: 1, epoch: 1, at: Timestamp(1), kind: kind.into() };
    NewSaga { record, entries: vec![entry] }
}

async fn set(store: &SqliteStore, pragma: &'static str, value: u32) {
    let set = move |conn: &super::database::Database, _: &mut super::write_job::Tally| {
        Ok(conn.execute_batch(&format!("PRAGMA {pragma} = {value}"))?)
    };
    store.inner.writer.write(set).await.unwrap();
}

#[tokio::test]
async fn the_store_continues_after_a_full_disk_once_there_is_room() {
    let place = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(place.path().join("sagas.db")).unwrap();
    set(&store, "max_page_count", 100).await;
    for n in 0..3 {
        let error = store.create(new_saga(&format!("big-{n}"), 1_000_000)).await.unwrap_err();
        let StoreError::Failed { why, .. } = &error else { panic!("{error:?}") };
        assert_eq!(why, "database or disk is full");
        // Smaller writes still succeed.
        store.create(new_saga(&format!("small-{n}"), 10)).await.unwrap();
    }
    set(&store, "max_page_count", 100_000).await;
    store.create(new_saga("big-0", 1_000_000)).await.unwrap();
    drop(store);
    let store = SqliteStore::open(place.path().join("sagas.db")).unwrap();
    for (id, there) in [("big-0", true), ("big-1", false), ("small-0", true), ("small-2", true)] {
        assert_eq!(store.load(&id.parse().unwrap()).await.unwrap().is_some(), there, "{id}");
    }
}

#[tokio::test]
async fn the_store_continues_after_a_lock_that_was_held_longer_than_the_busy_timeout() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("sagas.db");
    let store = SqliteStore::open(&path).unwrap();
    set(&store, "busy_timeout", 20).await; // instead of 30 s
    let other = rusqlite::Connection::open(&path).unwrap();
    for n in 0..3 {
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let error = store.create(new_saga(&format!("saga-{n}"), 10)).await.unwrap_err();
        let StoreError::Failed { why, .. } = &error else { panic!("{error:?}") };
        assert_eq!(why, "database is locked");
        other.execute_batch("ROLLBACK").unwrap();
        store.create(new_saga(&format!("saga-{n}"), 10)).await.unwrap();
    }
}
