//! Sagas that outlive their process: crashes, changed programs, and stores that fail or are damaged.

mod changed_saga;
#[path = "../common/mod.rs"]
mod common;
mod crash_loop;
mod damaged_stores;
mod failing_appends;
mod leases;
mod load_failures;
mod migration;
mod old_versions;
mod truncated_log;
mod unknown_versions;
