//! That a full disk closes no store.

use super::super::{NewSaga, SagaRecord, Store, StoreError, WorkerId};
use super::SqliteStore;
use crate::log::{Entry, EntryKind, Payload, Timestamp, Uuid};

fn new_saga(id: &str, size: usize) -> NewSaga {
    let worker = WorkerId::from("one");
    let mut record = SagaRecord::new(id.parse().unwrap(), "Trip", worker, Timestamp(1));
    record.params = Payload::from(vec![b'7'; size]);
    record.next_seq = 2;
    let kind = EntryKind::Created { birth: Uuid::nil() };
    let entry = Entry { seq: 1, epoch: 1, at: Timestamp(1), node: None, attempt: 0, kind };
    NewSaga { record, entries: vec![entry] }
}

async fn pages_at_most(store: &SqliteStore, pages: u32) {
    let limit = move |conn: &super::database::Database, _: &mut super::job::Tally| {
        Ok(conn.execute_batch(&format!("PRAGMA max_page_count = {pages}"))?)
    };
    store.inner.writer.write(limit).await.unwrap();
}

#[tokio::test]
async fn after_a_full_disk_it_goes_on_once_there_is_room() {
    let place = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(place.path().join("sagas.db")).unwrap();
    pages_at_most(&store, 100).await;
    for n in 0..3 {
        let error = store.create(new_saga(&format!("big-{n}"), 1_000_000)).await.unwrap_err();
        let StoreError::Failed { why, .. } = &error else { panic!("{error:?}") };
        assert_eq!(why, "database or disk is full");
        // what fits goes on meanwhile
        store.create(new_saga(&format!("small-{n}"), 10)).await.unwrap();
    }
    pages_at_most(&store, 100_000).await;
    store.create(new_saga("big-0", 1_000_000)).await.unwrap();
    drop(store);
    let store = SqliteStore::open(place.path().join("sagas.db")).unwrap();
    for (id, there) in [("big-0", true), ("big-1", false), ("small-0", true), ("small-2", true)] {
        assert_eq!(store.load(&id.parse().unwrap()).await.unwrap().is_some(), there, "{id}");
    }
}
