//! The conformance suite for stores: one check per obligation of [`Store`], grouped by theme.

mod call_shares;
mod definitions;
mod ownership;
mod reading;
mod requests;
mod suspension;
mod writes;

use std::fmt;

use crate::log::{Entry, EntryKind, NodeEntry, Payload, SagaEntry, SagaId, SagaStatus, Timestamp};
use crate::store::{
    Append, Created, ListFilter, NewDefinition, NewSaga, RecordChange, SagaRecord, Store,
    StoreError, StoredSaga, Suspension, WorkerId,
};

/// A store violates an obligation of [`Store`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{check}: {why}")]
pub struct ConformanceError {
    /// The name of the check, which states the obligation.
    pub check: &'static str,
    /// What was expected and what was found.
    pub why: String,
}

/// The conformance suite for stores: checks that a store fulfils the obligations of [`Store`]. It covers fencing
/// by owner, epoch and sequence number, new definitions of sagas, claims, lists, requests, deletion, and concurrent
/// writers. It cannot check that a write survives a power failure.
///
/// `make` is called once for each check and must return a new, empty store that shares nothing with the others.
///
/// # Errors
/// Returns the first violation, with the name of the check.
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
            // Boxed, because this future would otherwise be as large as that of the largest check.
            Box::pin($topic::$check(&store)).await.map_err(failed)?;
        })*)* };
    }
    checks! {
        writes {
            create_stores_the_saga_unchanged
            create_with_a_taken_id_changes_nothing
            one_of_many_concurrent_creates_wins
            create_refuses_wrong_sequence_numbers
            append_grows_the_log_and_changes_the_record
            append_changes_only_the_given_fields
            append_with_a_stale_owner_epoch_or_seq_is_fenced
            one_of_many_concurrent_appends_wins
            a_dropped_append_happens_once_or_not_at_all
            append_refuses_wrong_sequence_numbers
            every_kind_of_entry_is_returned_bit_for_bit
            many_sagas_grow_concurrently
            each_of_many_concurrent_writes_has_its_own_result
        }
        reading {
            an_empty_store_finds_nothing
            load_claimed_returns_what_load_returns_in_order
            load_many_returns_what_load_returns_in_order
            list_filters_and_pages
            versions_count_the_unfinished_sagas
            counts_tell_every_state_of_every_definition
        }
        ownership {
            claim_takes_over_unfinished_sagas_with_a_new_epoch
            claim_skips_ended_parked_and_unknown_sagas
            a_worker_that_is_alive_keeps_its_sagas
            each_saga_is_claimed_by_one_of_many_workers
            claim_takes_the_oldest_first_up_to_its_limit
            claim_accepts_thousands_of_fingerprints
            a_released_saga_counts_no_crash_and_can_be_claimed
            progress_resets_the_attempts
            delete_removes_only_sagas_that_nobody_runs
        }
        requests {
            requests_are_listed_until_they_are_answered
            requests_are_listed_with_all_that_were_left_before
            append_answers_requests
            requests_of_a_saga_come_with_their_answers
            removing_a_saga_removes_its_requests
            take_makes_the_worker_the_owner_in_any_status
            purge_removes_old_ended_sagas_in_batches
        }
        suspension {
            a_suspended_saga_has_no_owner_and_is_not_claimed
            what_is_due_is_claimed_in_its_order_up_to_the_limit
            a_suspended_saga_that_is_taken_is_not_suspended_any_more
            a_suspended_saga_that_is_parked_is_not_due
            only_the_owner_that_has_seen_the_whole_log_suspends
            each_due_saga_is_claimed_by_one_of_many_workers
            suspended_sagas_are_listed_and_counted
        }
        call_shares {
            call_shares_are_changed_only_by_who_has_read_the_newest
            call_shares_come_with_the_workers_that_are_alive
        }
        definitions {
            append_changes_the_definition_with_its_entries
            a_fenced_append_does_not_change_the_definition
            a_saga_is_counted_and_claimed_under_its_new_definition
            a_new_definition_outlives_later_writes_and_a_reopening
            many_sagas_change_their_definitions_concurrently
            a_definition_that_no_saga_has_any_more_can_come_back
        }
    }
    Ok(())
}

/// What a check has found to be wrong.
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

/// Fails the check unless the found value equals the expected one.
macro_rules! expect_eq {
    ($found:expr, $expected:expr) => {
        // A `match`, as in `assert_eq!`, so that temporaries live long enough.
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

/// Fails the check unless the condition holds.
macro_rules! expect_that {
    ($holds:expr) => {
        expect_that!($holds, "it does not hold")
    };
    ($holds:expr, $($found:tt)+) => {
        if !$holds {
            let found = format!($($found)+);
            return Err(Violation(format!("`{}` must hold: {found}", stringify!($holds))));
        }
    };
}

use {expect_eq, expect_that};

fn id(text: &str) -> SagaId {
    // All ids in the suite are valid; an invalid one would make its check fail.
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

/// A running saga of worker `one`, with entry 1.
fn new_saga(name: &str) -> NewSaga {
    let record = SagaRecord {
        fingerprint: "f1".into(),
        params: Payload::from(&b"{\"to\":\"Oslo\"}"[..]),
        dag: Payload::from(&b"{\"nodes\":[]}"[..]),
        next_seq: 2,
        deadline: Some(Timestamp(9_000)),
        updated_at: Timestamp(1_001),
        ..SagaRecord::new(id(name), "book_trip", worker("one"), Timestamp(1_000))
    };
    let created =
        SagaEntry::Created { run_key: record.run_key, traceparent: None, starts_at: None }.into();
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

async fn create(store: &impl Store, saga: NewSaga) -> CheckResult {
    match store.create(saga).await? {
        Created::New => Ok(()),
        Created::Exists(there) => {
            Err(Violation(format!("a new store already contains saga {}", there.id)))
        }
    }
}

async fn load(store: &impl Store, name: &str) -> Result<StoredSaga, Violation> {
    let found = store.load(&id(name)).await?;
    found.ok_or_else(|| Violation(format!("saga {name} does not exist")))
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
