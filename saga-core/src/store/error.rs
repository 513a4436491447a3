//! Why a store did not do what it was asked.

use crate::log::SagaId;

/// Why a store did not do it. No variant carries a payload or a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another worker owns the saga now, or the log has grown: this process must let go of it.
    #[error("saga {saga}: this worker no longer owns it")]
    Fenced {
        /// Which saga.
        saga: SagaId,
    },
    /// There is no such saga.
    #[error("there is no saga {saga}")]
    NotFound {
        /// The id asked for.
        saga: SagaId,
    },
    /// What is stored cannot be right.
    #[error("saga {saga}: {}", corrupt(*.seq, .why))]
    Corrupt {
        /// Which saga.
        saga: SagaId,
        /// Where; 0 is the record itself.
        seq: u64,
        /// What is wrong.
        why: String,
    },
    /// The saga's payloads need a key that the [`PayloadCodec`](super::PayloadCodec) does not have.
    #[error("saga {saga}: the payload codec does not have the key {key_id:?}; give it that key")]
    UnknownKey {
        /// Which saga.
        saga: SagaId,
        /// Which key.
        key_id: String,
    },
    /// The caller's own part of an append did not go through, and nothing of either is in.
    #[error("saga {saga}: the transaction was rolled back: {why}")]
    RolledBack {
        /// Which saga.
        saga: SagaId,
        /// Why.
        why: String,
    },
    /// The store has no database that could hold the caller's rows, too.
    #[error(
        "the store has no transactions of its own; keep the log in a `SqliteStore` whose file also has \
         the tables that the action writes"
    )]
    NoTransactions,
    /// Another process runs its sagas on this store.
    #[error("{store} is in use by another worker; one process at a time runs sagas on it")]
    InUse {
        /// Which store.
        store: String,
    },
    /// The store was written by a newer version of this library.
    #[error("{store} was written by schema {found}, this program knows {known}; upgrade it")]
    NewerSchema {
        /// Which store.
        store: String,
        /// What is there.
        found: u32,
        /// What this version writes.
        known: u32,
    },
    /// The store takes nothing more until it is opened again: a disk that failed to say what it has
    /// written, files that are gone, a shutdown. To ask again is in vain.
    #[error("{store}: {why}")]
    Closed {
        /// Which store.
        store: String,
        /// What closed it, and what to do.
        why: String,
    },
    /// The store cannot keep what it is given now (disk full, busy, connection lost). It may later.
    #[error("{store}: {why}")]
    Failed {
        /// Which store.
        store: String,
        /// What it said.
        why: String,
    },
}

impl StoreError {
    /// True if the same may work later, although nobody does anything about the saga or this process.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

/// What is wrong with a saga in a store, for people.
pub(crate) fn corrupt(seq: u64, why: &str) -> String {
    match seq {
        0 => format!("its record is corrupt: {why}"),
        seq => format!("its log is corrupt at entry {seq}: {why}"),
    }
}
