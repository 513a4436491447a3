//! The conformance suite for stores: what every implementation of [`Store`] must do.

mod ownership;
mod reading;
mod requests;
mod writes;

use std::fmt;

use crate::log::{Entry, EntryKind, NodeEntry, Payload, SagaEntry, SagaId, SagaStatus, Timestamp};
use crate::store::{
    Append, Created, ListFilter, NewSaga, RecordChange, SagaRecord, Store, StoreError, StoredSaga,
    WorkerId,
};

/// A way in which a store differs from the contract of [`Store`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{check}: {why}")]
pub struct ConformanceError {
    /// The name of the check, which says what is required.
    pub check: &'static str,
    /// What was found instead.
    pub why: String,
}

/// Checks that a store fulfils the contract of [`Store`]: fencing by owner, epoch and sequence number, claims,
/// lists, requests, deletes, and concurrent writers. It cannot check that a write survives a power failure.
///
/// `make` creates an empty store for each check. Its stores must not share their contents.
///
/// # Errors
/// The name of the first check that failed, and what it found.
///
/// ```
/// use saga_core::store::FileStore;
/// use saga_core::testing::store_conformance;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let directory = tempfile::tempdir()?;
/// let mut stores = 0;
/// store_conformance(async || {
///     stores += 1;
///     FileStore::open(directory.path().join(stores.to_string()))
/// })
/// .await?;
/// # Ok(()) }
/// ```
pub async fn store_conformance<S: Store>(
    mut make: impl AsyncFnMut() -> Result<S, StoreError>,
) -> Result<(), ConformanceError> {
    macro_rules! checks {
        ($($topic:ident { $($check:ident)* })*) => { $($({
            let check = stringify!($check);
            let failed = |why: Violation| ConformanceError { check, why: why.0 };
            let store = make().await.map_err(|e| failed(e.into()))?;
            // It is boxed, because this future would otherwise be as large as the largest check.
            Box::pin($topic::$check(&store)).await.map_err(failed)?;
        })*)* };
    }
    checks! {
        writes {
            a_new_saga_is_found_as_it_was_given
            creating_it_again_leaves_the_first_untouched
            of_many_creates_of_one_id_one_wins
            a_new_saga_must_count_its_entries_rightly
            an_append_grows_the_log_and_changes_the_record
            an_append_changes_only_what_it_names
            an_append_with_a_stale_owner_epoch_or_seq_is_fenced
            of_two_appends_at_one_place_one_wins
            an_append_nobody_waits_for_is_in_once_or_not_at_all
            an_append_needs_entries_without_gaps
            every_kind_of_entry_comes_back_bit_for_bit
            many_sagas_grow_at_the_same_time
        }
        reading {
            what_is_not_there_is_not_found
            list_filters_and_pages
            versions_count_the_unfinished
        }
        ownership {
            claim_takes_over_unfinished_sagas_with_a_new_epoch
            claim_leaves_ended_parked_and_unknown_sagas
            claim_takes_the_oldest_first_up_to_its_limit
            claim_takes_a_list_of_thousands_of_fingerprints
            a_released_saga_counts_no_crash_and_can_be_claimed
            progress_ends_a_series_of_crashes
            delete_removes_what_nobody_runs
        }
        requests {
            requests_wait_for_their_answer
            an_append_answers_requests
            requests_go_with_their_saga
            take_makes_a_worker_the_owner_whatever_the_saga_does
            purge_removes_old_ends_in_batches
        }
    }
    Ok(())
}

/// The result of a check.
#[derive(Debug)]
struct Violation(String);

impl Violation {
    fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}

impl From<StoreError> for Violation {
    fn from(e: StoreError) -> Self {
        Self(format!("the store failed: {e}"))
    }
}

type CheckResult = Result<(), Violation>;

/// Fails the check if what was found is not what was expected.
macro_rules! same {
    ($found:expr, $expected:expr) => {
        // As in `assert_eq!`, a `match` keeps temporaries alive to its end.
        match (&$found, &$expected) {
            (found, expected) => {
                if found != expected {
                    let what = stringify!($found);
                    return Err(Violation(format!("`{what}` is {found:?}, expected {expected:?}")));
                }
            }
        }
    };
}

/// Fails the check if the condition is false.
macro_rules! check {
    ($holds:expr) => {
        check!($holds, "it does not")
    };
    ($holds:expr, $($found:tt)+) => {
        if !$holds {
            let found = format!($($found)+);
            return Err(Violation(format!("`{}` should hold: {found}", stringify!($holds))));
        }
    };
}

use {check, same};

fn id(text: &str) -> SagaId {
    // All ids of these checks are valid; one that is not would fail its check.
    text.parse().unwrap_or_else(|_| SagaId::generate())
}

fn worker(name: &str) -> WorkerId {
    WorkerId::from(name)
}

fn entry(seq: u64, kind: EntryKind) -> Entry {
    Entry { seq, epoch: 1, at: Timestamp(1_000 + seq), kind }
}

fn about(entry: NodeEntry) -> EntryKind {
    entry.about("room", 1)
}

/// A running saga of worker `one` with entry 1.
fn new_saga(name: &str) -> NewSaga {
    let record = SagaRecord {
        fingerprint: "f1".to_string(),
        params: Payload::from(&b"{\"to\":\"Oslo\"}"[..]),
        dag: Payload::from(&b"{\"nodes\":[]}"[..]),
        next_seq: 2,
        deadline: Some(Timestamp(9_000)),
        updated_at: Timestamp(1_001),
        ..SagaRecord::new(id(name), "book_trip", worker("one"), Timestamp(1_000))
    };
    let created = SagaEntry::Created { run_key: record.run_key }.into();
    NewSaga { record, entries: vec![entry(1, created)] }
}

fn append(name: &str, seq: u64, kinds: Vec<EntryKind>) -> Append {
    Append {
        saga: id(name),
        owner: worker("one"),
        epoch: 1,
        expected_next_seq: seq,
        entries: (seq..).zip(kinds).map(|(seq, kind)| entry(seq, kind)).collect(),
        change: RecordChange::status(SagaStatus::Running),
        answers: Vec::new(),
    }
}

async fn put(store: &impl Store, saga: NewSaga) -> CheckResult {
    match store.create(saga).await? {
        Created::New => Ok(()),
        Created::Exists(there) => {
            Err(Violation(format!("a new store holds saga {} already", there.id)))
        }
    }
}

async fn get(store: &impl Store, name: &str) -> Result<StoredSaga, Violation> {
    let found = store.load(&id(name)).await?;
    found.ok_or_else(|| Violation(format!("saga {name} is not there")))
}

fn ids(records: &[SagaRecord]) -> Vec<&str> {
    records.iter().map(|record| record.id.as_str()).collect()
}

fn after_first(entries: &[Entry]) -> &[Entry] {
    entries.get(1..).unwrap_or_default()
}

fn fenced(name: &str) -> Result<(), StoreError> {
    Err(StoreError::Fenced { saga: id(name) })
}
