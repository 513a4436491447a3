//! What only the file store does: readable logs, torn and damaged files, requests from other processes.

use std::fs;
use std::path::{Path, PathBuf};

use saga_core::log::{Payload, Timestamp};
use saga_core::operator::Answer;
use saga_core::store::{
    Created, FileStore, ListFilter, NewDefinition, Purge, Store, StoreError, WorkerId,
};
use tempfile::TempDir;

use crate::samples::{append, create, entries, id, new_saga, refuses_to_work, request};

/// A store in a directory of its own.
struct Place {
    _above: TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let above = tempfile::tempdir().unwrap();
        Self { path: above.path().join("sagas"), _above: above }
    }

    fn open(&self) -> FileStore {
        FileStore::open(&self.path).unwrap()
    }

    fn log(&self, name: &str) -> PathBuf {
        self.path.join(format!("saga-{name}.jsonl"))
    }

    fn files(&self, below: &str) -> Vec<String> {
        let files = fs::read_dir(self.path.join(below)).unwrap();
        let mut names: Vec<_> =
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }
}

fn refusal(path: impl AsRef<Path>) -> String {
    FileStore::open(path).unwrap_err().to_string()
}

mod damage;
mod files;
mod requests;
mod workers;
