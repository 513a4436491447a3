//! `SagaLock`: what it says when a saga has changed.

mod blessed;
mod messages;
mod refused;
mod trips;

use std::fs;
use std::path::{Path, PathBuf};

use saga_core::Saga;
use saga_core::testing::SagaLock;

/// A lock file of this test.
fn file(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("saga-lock").join(name);
    fs::create_dir_all(&dir).unwrap();
    let file = dir.join("sagas.lock");
    let _ = fs::remove_file(&file);
    file
}

/// What is said about the file without a wish to have it written.
fn said(lock: SagaLock) -> String {
    lock.blessed(None).check().unwrap_err()
}

/// A file in which the first version is the current one.
fn locked<S: Saga>(name: &str) -> PathBuf {
    let file = file(name);
    SagaLock::at(&file).saga::<S>().blessed(Some("1")).check().unwrap();
    file
}

/// The places of definitions, which change with every edit, are left out.
fn shown(said: &str) -> String {
    let mut shown = String::new();
    let mut rest = said;
    while let Some((before, after)) = rest.split_once(" (tests/") {
        shown.push_str(before);
        shown.push_str(" (..)");
        rest = after.split_once(')').unwrap().1;
    }
    shown + rest
}
