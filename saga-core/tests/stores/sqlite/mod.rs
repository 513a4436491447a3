//! What only the SQLite store does: group commit, locking, durability settings, damaged files.

#![cfg(feature = "sqlite")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use saga_core::log::Timestamp;
use saga_core::store::{Append, ListFilter, SqliteStore, Store, StoreError, WorkerId};
use tempfile::TempDir;

use crate::samples::{append, create, entries, id, new_saga, refuses_to_work, request};

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

    /// Runs statements in which `saga_event` is a table that may be changed.
    fn damage_entries(&self, sql: &str) {
        let around = include_str!("damage_entries.sql");
        self.connection().execute_batch(&around.replace("-- DAMAGE", sql)).unwrap();
    }

    fn directory(&self) -> &Path {
        self.path.parent().unwrap()
    }
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

mod batches;
mod failures;
mod files;
mod transactions;
mod workers;
mod writer;
