//! What every store must do, checked of each of them.

use saga_core::SagaId;
use saga_core::log::{Entry, EntryKind, Payload, SagaStatus, Timestamp};
use saga_core::store::{
    Aad, Append, CodecError, Created, EncodedStore, ListFilter, MemoryStore, NewSaga, PayloadCodec,
    RecordChange, SagaRecord, Store, StoreError, StoredSaga, WorkerId,
};

/// Runs each check once on each store.
macro_rules! stores_conform {
    ($($check:ident)*) => {
        mod memory {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                conformance::$check(&MemoryStore::new()).await;
            })*
        }

        mod file {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                let directory = tempfile::tempdir().unwrap();
                let store = saga_core::store::FileStore::open(directory.path()).unwrap();
                conformance::$check(&store).await;
            })*
        }

        mod encoded {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                conformance::$check(&EncodedStore::new(MemoryStore::new(), Bound)).await;
            })*
        }

        #[cfg(feature = "sqlite")]
        mod sqlite {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                let directory = tempfile::tempdir().unwrap();
                let path = directory.path().join("sagas.db");
                let store = saga_core::store::SqliteStore::open(path).unwrap();
                conformance::$check(&store).await;
            })*
        }
    };
}

stores_conform! {
    a_new_saga_is_found_as_it_was_given
    creating_it_again_leaves_the_first_untouched
    a_new_saga_must_count_its_entries_rightly
    an_append_grows_the_log_and_changes_the_record
    an_append_changes_only_what_it_names
    an_append_with_a_stale_owner_epoch_or_seq_is_fenced
    of_two_appends_at_one_place_one_wins
    an_append_needs_entries_without_gaps
    what_is_not_there_is_not_found
    every_kind_of_entry_comes_back_bit_for_bit
    many_sagas_grow_at_the_same_time
    list_filters_and_pages
    versions_count_the_unfinished
    claim_takes_over_unfinished_sagas_with_a_new_epoch
    claim_leaves_ended_paused_parked_and_unknown_sagas
    claim_takes_the_oldest_first_up_to_its_limit
    claim_takes_a_list_of_thousands_of_fingerprints
    a_released_saga_counts_no_crash_and_can_be_claimed
    progress_ends_a_series_of_crashes
    delete_removes_what_nobody_runs
    clones_of_a_store_share_its_content
    requests_wait_for_their_answer
    an_append_answers_requests
    requests_go_with_their_saga
    take_makes_a_worker_the_owner_whatever_the_saga_does
    purge_removes_old_ends_in_batches
}

/// Puts the place of a payload in front of it.
struct Bound;

impl PayloadCodec for Bound {
    fn encode(&self, plain: &[u8], aad: &Aad<'_>) -> Result<Vec<u8>, CodecError> {
        Ok([&aad.to_bytes(), plain].concat())
    }

    fn decode(&self, stored: &[u8], aad: &Aad<'_>) -> Result<Vec<u8>, CodecError> {
        let plain = stored.strip_prefix(aad.to_bytes().as_slice());
        plain.map(Vec::from).ok_or_else(|| CodecError::Failed { why: "another place".to_string() })
    }
}

fn id(text: &str) -> SagaId {
    text.parse().unwrap()
}

fn worker(name: &str) -> WorkerId {
    WorkerId::from(name)
}

fn entry(seq: u64, kind: EntryKind) -> Entry {
    Entry { seq, epoch: 1, at: Timestamp(1_000 + seq), node: None, attempt: 0, kind }
}

/// A running saga of worker `one` with entry 1.
fn new_saga(name: &str) -> NewSaga {
    let birth = uuid::Uuid::new_v4();
    let record = SagaRecord {
        id: id(name),
        birth,
        name: "book_trip".to_string(),
        fingerprint: "f1".to_string(),
        params: Payload::from(&b"{\"to\":\"Oslo\"}"[..]),
        dag: Payload::from(&b"{\"nodes\":[]}"[..]),
        created_at: Timestamp(1_000),
        status: SagaStatus::Running,
        owner: Some(worker("one")),
        epoch: 1,
        next_seq: 2,
        attempts: 1,
        wake_at: None,
        deadline: Some(Timestamp(9_000)),
        paused: false,
        parked_reason: None,
        error: None,
        context: None,
        updated_at: Timestamp(1_001),
    };
    NewSaga { record, entries: vec![entry(1, EntryKind::Created { birth })] }
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

async fn put(store: &impl Store, saga: NewSaga) {
    assert!(matches!(store.create(saga).await, Ok(Created::New)));
}

async fn get(store: &impl Store, name: &str) -> StoredSaga {
    store.load(&id(name)).await.unwrap().unwrap()
}

fn ids(records: &[SagaRecord]) -> Vec<&str> {
    records.iter().map(|record| record.id.as_str()).collect()
}

fn fenced(name: &str) -> Result<(), StoreError> {
    Err(StoreError::Fenced { saga: id(name) })
}

mod conformance {
    mod asking;
    mod claiming;
    mod finding;
    mod writing;

    pub(crate) use self::asking::*;
    pub(crate) use self::claiming::*;
    pub(crate) use self::finding::*;
    pub(crate) use self::writing::*;
}
