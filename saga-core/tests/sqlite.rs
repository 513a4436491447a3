//! What only the SQLite store does: group commit, locking, durability settings, damaged files.

#![cfg(feature = "sqlite")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use saga_core::SagaId;
use saga_core::log::{Entry, EntryKind, Payload, SagaStatus, Timestamp};
use saga_core::store::{
    Append, Created, ListFilter, NewSaga, RecordChange, SagaRecord, SqliteStore, Store, StoreError,
    WorkerId,
};
use tempfile::TempDir;

/// A store in a directory of its own.
struct Place {
    _directory: TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { path: directory.path().join("sagas.db"), _directory: directory }
    }

    fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.path).unwrap()
    }

    /// Another program's connection.
    fn connection(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    fn directory(&self) -> &Path {
        self.path.parent().unwrap()
    }
}

fn id(text: &str) -> SagaId {
    text.parse().unwrap()
}

fn new_saga(name: &str) -> NewSaga {
    let birth = uuid::Uuid::new_v4();
    let entry = Entry {
        seq: 1,
        epoch: 1,
        at: Timestamp(1_000),
        node: None,
        attempt: 0,
        kind: EntryKind::Created { birth },
    };
    let record = SagaRecord {
        id: id(name),
        birth,
        name: "book_trip".to_string(),
        fingerprint: "f1".to_string(),
        params: Payload::from(&b"{}"[..]),
        dag: Payload::from(&b"{}"[..]),
        created_at: Timestamp(1_000),
        status: SagaStatus::Running,
        owner: Some(WorkerId::from("one")),
        epoch: 1,
        next_seq: 2,
        attempts: 1,
        wake_at: None,
        deadline: None,
        paused: false,
        parked_reason: None,
        error: None,
        context: None,
        updated_at: Timestamp(1_000),
    };
    NewSaga { record, entries: vec![entry] }
}

fn append(name: &str, seq: u64, output: &[u8]) -> Append {
    let entry = Entry {
        seq,
        epoch: 1,
        at: Timestamp(1_000 + seq),
        node: Some("hotel".into()),
        attempt: 1,
        kind: EntryKind::Succeeded(Payload::from(output)),
    };
    Append {
        saga: id(name),
        owner: WorkerId::from("one"),
        epoch: 1,
        expected_next_seq: seq,
        entries: vec![entry],
        change: RecordChange::status(SagaStatus::Running),
    }
}

async fn create(store: &SqliteStore, names: &[&str]) {
    for name in names {
        assert!(matches!(store.create(new_saga(name)).await, Ok(Created::New)));
    }
}

async fn entries(store: &SqliteStore, name: &str) -> usize {
    store.load(&id(name)).await.unwrap().unwrap().entries.len()
}

/// Starts the appends while another program holds the write lock, so that they wait together.
async fn append_together(
    place: &Place,
    store: &SqliteStore,
    appends: Vec<Append>,
) -> Vec<Result<(), StoreError>> {
    let other = place.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let tasks: Vec<_> = appends
        .into_iter()
        .map(|append| {
            let store = store.clone();
            tokio::spawn(async move { store.append(append).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(tasks.iter().all(|task| !task.is_finished()));
    other.execute_batch("ROLLBACK").unwrap();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

fn refusal(path: impl AsRef<Path>) -> String {
    SqliteStore::open(path).unwrap_err().to_string()
}

mod sqlite {
    mod batches;
    mod failures;
    mod files;
    mod transactions;
    mod workers;
}
