//! Counts what the store has committed.

use std::sync::atomic::{AtomicU64, Ordering};

use super::write_job::Tally;

/// What a [`SqliteStore`](super::SqliteStore) has committed since it was opened, for tests and dashboards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqliteStats {
    /// Transactions that changed something, with one fsync each.
    pub transactions: u64,
    /// Sagas created.
    pub creates: u64,
    /// Appends that were not fenced.
    pub appends: u64,
    /// Log entries, including those of created sagas.
    pub entries: u64,
}

/// The counters behind [`SqliteStats`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    transactions: AtomicU64,
    creates: AtomicU64,
    appends: AtomicU64,
    entries: AtomicU64,
}

impl Counters {
    pub(super) fn add(&self, tally: &Tally) {
        self.transactions.fetch_add(1, Ordering::Relaxed);
        self.creates.fetch_add(tally.creates, Ordering::Relaxed);
        self.appends.fetch_add(tally.appends, Ordering::Relaxed);
        self.entries.fetch_add(tally.entries, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> SqliteStats {
        SqliteStats {
            transactions: self.transactions.load(Ordering::Relaxed),
            creates: self.creates.load(Ordering::Relaxed),
            appends: self.appends.load(Ordering::Relaxed),
            entries: self.entries.load(Ordering::Relaxed),
        }
    }
}
