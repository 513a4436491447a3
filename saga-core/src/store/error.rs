//! Errors of stores.

use crate::log::SagaId;

/// Why a call of a [`Store`](super::Store) failed. No variant contains a payload or a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another worker owns the saga now, or has appended to its log. This process must stop running it.
    #[error("saga {saga}: this worker no longer owns it")]
    Fenced {
        /// The saga.
        saga: SagaId,
    },
    /// There is no such saga.
    #[error("there is no saga {saga}")]
    NotFound {
        /// The id that was requested.
        saga: SagaId,
    },
    /// The stored saga is corrupt.
    #[error("saga {saga}: {}", corrupt(*.seq, .why))]
    Corrupt {
        /// The saga.
        saga: SagaId,
        /// The entry that is corrupt; 0 is the record itself.
        seq: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The saga's payloads need a key that the [`PayloadCodec`](super::PayloadCodec) does not have.
    #[error("saga {saga}: the payload codec does not have the key {key_id:?}; add that key to it")]
    UnknownKey {
        /// The saga.
        saga: SagaId,
        /// The id of the missing key.
        key_id: String,
    },
    /// The caller's own writes in an append failed. Neither they nor the append took effect.
    #[error("saga {saga}: the transaction was rolled back: {why}")]
    RolledBack {
        /// The saga.
        saga: SagaId,
        /// Why it was rolled back.
        why: String,
    },
    /// The store has no database that could also hold the caller's rows, or not of the kind that the work is for.
    #[error(
        "the store has no transactions for actions; use a `SqliteStore` for `cx.transaction`, or a `PostgresStore` \
         for `cx.postgres_transaction`, with the tables that the action writes in the same database"
    )]
    NoTransactions,
    /// The store has several workers at a time, and cannot limit the calls of all of them together.
    #[error(
        "the store cannot limit the calls of all of its workers together; use `max_calls_of`, which limits those of one \
         process, or a `PostgresStore`"
    )]
    NoCallShares,
    /// Another worker has the store open.
    #[error("{store} is in use by another worker; only one process at a time can run sagas on it")]
    InUse {
        /// The store.
        store: String,
    },
    /// The store was written by a newer version of this library.
    #[error(
        "{store} has schema {found}, but this program supports schemas up to {known}; upgrade the program"
    )]
    NewerSchema {
        /// The store.
        store: String,
        /// The schema of the store.
        found: u32,
        /// The newest schema that this version supports.
        known: u32,
    },
    /// The store accepts no more writes until it is opened again: a write failed and may or may not be on disk,
    /// files are gone, or the store was shut down. Retrying is useless.
    #[error("{store}: {why}")]
    Closed {
        /// The store.
        store: String,
        /// Why the store is closed, and what to do.
        why: String,
    },
    /// The store could not carry out the call (disk full, busy, connection lost). It may succeed later.
    #[error("{store}: {why}")]
    Failed {
        /// The store.
        store: String,
        /// What went wrong.
        why: String,
    },
}

impl StoreError {
    /// True if the same call may succeed later without anyone touching the saga or this process.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Failed { .. } => true,
            Self::Fenced { .. }
            | Self::NotFound { .. }
            | Self::Corrupt { .. }
            | Self::UnknownKey { .. }
            | Self::RolledBack { .. }
            | Self::NoTransactions
            | Self::NoCallShares
            | Self::InUse { .. }
            | Self::NewerSchema { .. }
            | Self::Closed { .. } => false,
        }
    }
}

/// Describes what is wrong with a stored saga.
pub(crate) fn corrupt(seq: u64, why: &str) -> String {
    match seq {
        0 => format!("its record is corrupt: {why}"),
        seq => format!("its log is corrupt at entry {seq}: {why}"),
    }
}
