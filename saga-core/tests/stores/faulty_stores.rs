//! The conformance suite detects faults: stores with one mistake each, and the check that each must fail.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use futures_util::future::BoxFuture;
use saga_core::SagaId;
use saga_core::log::{Payload, Timestamp, Uuid};
use saga_core::operator::{Answer, ListedState, Request};
use saga_core::store::{
    Append, CallShares, Created, ListFilter, MemoryStore, NewDefinition, NewSaga, Purge,
    RequestsWithAnswers, SagaRecord, SagaVersion, ShareChange, SharedCalls, Store, StoreError,
    StoredSaga, Suspension, VersionCounts, WorkerId,
};
use saga_core::testing::store_conformance;

/// What a store does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    CreateOverwrites,
    CreateAcceptsGaps,
    AppendIgnoresTheOwner,
    AppendIgnoresTheEpoch,
    AppendWritesTwice,
    AppendForgetsTheRecord,
    AppendForgetsAnswers,
    DefinitionStays,
    DefinitionChangesWhenFenced,
    DefinitionKeepsParams,
    DefinitionChangesForAllSagas,
    DefinitionIsForgottenWhenReopened,
    PayloadsAreText,
    LoadManyLosesTheOrder,
    LoadClaimedTrustsTheClaim,
    ListIgnoresPages,
    ListIgnoresTimes,
    ListIgnoresWhatIsParked,
    ListIgnoresWhatIsPaused,
    ListIgnoresPrefixes,
    ListIgnoresDefinitions,
    ListIgnoresIdleness,
    ListIgnoresWhatIsDue,
    VersionsCountTheEnded,
    CountsForgetWhatIsParked,
    RequestsOfOthersAreListed,
    ClaimKeepsTheEpoch,
    ClaimIgnoresTheLimit,
    ClaimLeavesWhatIsPaused,
    ClaimTakesWhatIsParked,
    ReleaseKeepsTheOwner,
    DeleteTakesWhatRuns,
    TakeLeavesTheEnded,
    PurgeTakesEverything,
    PurgeIgnoresTheLimit,
    RequestsNeedNoSaga,
    RequestsHaveGaps,
    RequestsStayWhenAnswered,
    SecondAnswersWin,
    CallSharesAreOverwritten,
    CallSharesLoseTheOrder,
}

struct Faulty {
    inner: MemoryStore,
    fault: Fault,
    asked: AtomicBool,
    shares: Mutex<BTreeMap<String, CallShares>>,
    created: Mutex<BTreeMap<SagaId, NewDefinition>>,
}

impl Faulty {
    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    async fn record(&self, id: &SagaId) -> Result<Option<SagaRecord>, StoreError> {
        Ok(self.inner.load(id).await?.map(|saga| saga.record))
    }

    /// Ignores who owns it.
    async fn remove(&self, id: &SagaId) -> Result<bool, StoreError> {
        if let Some(SagaRecord { owner: Some(owner), .. }) = self.record(id).await? {
            self.inner.release(&owner).await?;
        }
        self.inner.delete(id).await
    }

    /// Whoever owns it, and without an append.
    async fn redefine(&self, id: &SagaId, definition: &NewDefinition) -> Result<(), StoreError> {
        let Some(StoredSaga { mut record, entries }) = self.inner.load(id).await? else {
            return Ok(());
        };
        self.remove(id).await?;
        let NewDefinition { fingerprint, params, dag } = definition.clone();
        (record.fingerprint, record.params, record.dag) = (fingerprint, params, dag);
        self.inner.create(NewSaga { record, entries }).await.map(drop)
    }
}

impl Store for Faulty {
    fn create(&self, mut saga: NewSaga) -> BoxFuture<'_, Result<Created, StoreError>> {
        Box::pin(async move {
            if self.has(Fault::CreateOverwrites) {
                self.remove(&saga.record.id).await?;
            }
            if self.has(Fault::CreateAcceptsGaps) {
                saga.record.next_seq = saga.entries.len() as u64 + 1;
            }
            let SagaRecord { fingerprint, params, dag, .. } = saga.record.clone();
            let definition = NewDefinition { fingerprint, params, dag };
            self.created.lock().unwrap().insert(saga.record.id.clone(), definition);
            self.inner.create(saga).await
        })
    }

    fn append(&self, mut append: Append) -> BoxFuture<'_, Result<(), StoreError>> {
        use saga_core::log::{EntryKind, NodeEntry};
        Box::pin(async move {
            let there = self.record(&append.saga).await?;
            if let Some(there) = there {
                match self.fault {
                    Fault::AppendIgnoresTheOwner => {
                        append.owner = there.owner.unwrap_or(append.owner);
                    }
                    Fault::AppendIgnoresTheEpoch => append.epoch = there.epoch,
                    Fault::AppendForgetsTheRecord => append.change.wake_at = there.wake_at,
                    Fault::AppendForgetsAnswers => append.answers.clear(),
                    Fault::DefinitionStays => append.change.definition = None,
                    Fault::DefinitionKeepsParams => {
                        if let Some(new) = &mut append.change.definition {
                            new.params = there.params;
                        }
                    }
                    _ => {}
                }
            }
            if self.has(Fault::PayloadsAreText) {
                for entry in &mut append.entries {
                    if let EntryKind::Node { entry: NodeEntry::Succeeded(output), .. } =
                        &mut entry.kind
                    {
                        let text = String::from_utf8_lossy(output.as_bytes()).into_owned();
                        *output = Payload::from(text.into_bytes());
                    }
                }
            }
            let appended = self.inner.append(append.clone()).await;
            if let Some(new) = &append.change.definition {
                if self.has(Fault::DefinitionChangesWhenFenced) && appended.is_err() {
                    self.redefine(&append.saga, new).await?;
                }
                if self.has(Fault::DefinitionChangesForAllSagas) {
                    for record in self.inner.list(ListFilter::default()).await? {
                        self.redefine(&record.id, new).await?;
                    }
                }
            }
            appended?;
            if self.has(Fault::AppendWritesTwice) {
                let next = append.expected_next_seq + append.entries.len() as u64;
                append.expected_next_seq = next;
                for (entry, seq) in append.entries.iter_mut().zip(next..) {
                    entry.seq = seq;
                }
                self.inner.append(append).await?;
            }
            Ok(())
        })
    }

    fn load(&self, id: &SagaId) -> BoxFuture<'_, Result<Option<StoredSaga>, StoreError>> {
        self.inner.load(id)
    }

    fn load_many(
        &self,
        mut ids: Vec<SagaId>,
    ) -> BoxFuture<'_, Vec<Result<Option<StoredSaga>, StoreError>>> {
        if self.has(Fault::LoadManyLosesTheOrder) {
            ids.sort();
        }
        self.inner.load_many(ids)
    }

    fn load_claimed(
        &self,
        claimed: Vec<SagaRecord>,
    ) -> BoxFuture<'_, Vec<Result<Option<StoredSaga>, StoreError>>> {
        Box::pin(async move {
            let ids = claimed.iter().map(|record| record.id.clone()).collect();
            let mut loaded = self.inner.load_many(ids).await;
            for (loaded, record) in loaded.iter_mut().zip(claimed) {
                if let Ok(Some(saga)) = loaded
                    && self.has(Fault::LoadClaimedTrustsTheClaim)
                {
                    saga.record = record;
                }
            }
            loaded
        })
    }

    fn call_shares(
        &self,
        mut actions: Vec<String>,
    ) -> BoxFuture<'_, Result<SharedCalls, StoreError>> {
        Box::pin(async move {
            if self.has(Fault::CallSharesLoseTheOrder) {
                actions.sort();
            }
            let shares = self.shares.lock().unwrap();
            let actions = actions.iter().map(|action| shares.get(action).cloned());
            let actions = actions.map(Option::unwrap_or_default).collect();
            Ok(SharedCalls { now: Timestamp(0), alive: Vec::new(), actions })
        })
    }

    fn change_call_shares(
        &self,
        mut change: ShareChange,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut shares = self.shares.lock().unwrap();
            let there = shares.entry(change.action.clone()).or_default();
            if self.has(Fault::CallSharesAreOverwritten) {
                change.version = there.version;
            }
            Ok(there.change(change))
        })
    }

    fn list(&self, mut filter: ListFilter) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        match self.fault {
            Fault::ListIgnoresPages => filter.after = None,
            Fault::ListIgnoresTimes => filter.created_before = None,
            Fault::ListIgnoresWhatIsParked => filter.parked = None,
            Fault::ListIgnoresWhatIsPaused => filter.paused = None,
            Fault::ListIgnoresPrefixes => filter.id_prefix = None,
            Fault::ListIgnoresDefinitions => filter.fingerprint = None,
            Fault::ListIgnoresIdleness => filter.updated_before = None,
            Fault::ListIgnoresWhatIsDue => filter.due_before = None,
            _ => {}
        }
        self.inner.list(filter)
    }

    fn versions(&self) -> BoxFuture<'_, Result<Vec<SagaVersion>, StoreError>> {
        Box::pin(async move {
            let mut versions = self.inner.versions().await?;
            if self.has(Fault::VersionsCountTheEnded) {
                let all = self.inner.list(ListFilter::default()).await?.len() as u64;
                versions.iter_mut().for_each(|version| version.unfinished = all);
            }
            Ok(versions)
        })
    }

    fn counts(&self) -> BoxFuture<'_, Result<Vec<VersionCounts>, StoreError>> {
        Box::pin(async move {
            let mut counts = self.inner.counts().await?;
            if self.has(Fault::CountsForgetWhatIsParked) {
                for of in &mut counts {
                    of.states.retain(|count| count.state != ListedState::Parked);
                }
            }
            Ok(counts)
        })
    }

    fn claim(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        let (worker, fingerprints) = (worker.clone(), fingerprints.to_vec());
        Box::pin(async move {
            let limit = if self.has(Fault::ClaimIgnoresTheLimit) { usize::MAX } else { limit };
            let mut claimed = self.inner.claim(&worker, &fingerprints, limit).await?;
            if self.has(Fault::ClaimKeepsTheEpoch) {
                claimed.iter_mut().for_each(|record| record.epoch -= 1);
            }
            if self.has(Fault::ClaimLeavesWhatIsPaused) {
                claimed.retain(|record| !record.paused);
            }
            if self.has(Fault::ClaimTakesWhatIsParked) {
                for record in self.inner.list(ListFilter::default()).await? {
                    if record.parked_reason.is_some() {
                        claimed.extend(self.inner.take(&worker, &record.id).await?);
                    }
                }
            }
            Ok(claimed)
        })
    }

    fn suspend(&self, suspension: Suspension) -> BoxFuture<'_, Result<(), StoreError>> {
        self.inner.suspend(suspension)
    }

    fn claim_due(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        self.inner.claim_due(worker, fingerprints, now, limit)
    }

    fn next_due(
        &self,
        fingerprints: &[String],
    ) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        self.inner.next_due(fingerprints)
    }

    fn release(&self, worker: &WorkerId) -> BoxFuture<'_, Result<(), StoreError>> {
        if self.has(Fault::ReleaseKeepsTheOwner) {
            return Box::pin(async { Ok(()) });
        }
        self.inner.release(worker)
    }

    fn reopen(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            if self.has(Fault::DefinitionIsForgottenWhenReopened) {
                let created = self.created.lock().unwrap().clone();
                for (id, definition) in &created {
                    self.redefine(id, definition).await?;
                }
            }
            Ok(())
        })
    }

    fn take(
        &self,
        worker: &WorkerId,
        id: &SagaId,
    ) -> BoxFuture<'_, Result<Option<SagaRecord>, StoreError>> {
        let (worker, id) = (worker.clone(), id.clone());
        Box::pin(async move {
            let ended = self.record(&id).await?.is_some_and(|record| record.status.is_ended());
            if self.has(Fault::TakeLeavesTheEnded) && ended {
                return Ok(None);
            }
            self.inner.take(&worker, &id).await
        })
    }

    fn delete(&self, id: &SagaId) -> BoxFuture<'_, Result<bool, StoreError>> {
        let id = id.clone();
        Box::pin(async move {
            if self.has(Fault::DeleteTakesWhatRuns) {
                return self.remove(&id).await;
            }
            self.inner.delete(&id).await
        })
    }

    fn purge(&self, mut purge: Purge) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            if self.has(Fault::PurgeTakesEverything) {
                for record in self.inner.list(ListFilter::default()).await? {
                    self.remove(&record.id).await?;
                }
            }
            if self.has(Fault::PurgeIgnoresTheLimit) {
                purge.limit = usize::MAX;
            }
            self.inner.purge(purge).await
        })
    }

    fn request(&self, request: Request) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let result = self.inner.request(request).await;
            if self.has(Fault::RequestsNeedNoSaga) { Ok(()) } else { result }
        })
    }

    fn requests(
        &self,
        worker: &WorkerId,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Request>, StoreError>> {
        let listed = self.inner.requests(worker, limit);
        Box::pin(async move {
            let mut listed = listed.await?;
            if self.has(Fault::RequestsHaveGaps) && listed.len() > 10 {
                listed.swap_remove(7);
            }
            Ok(listed)
        })
    }

    fn requests_of(&self, saga: &SagaId) -> BoxFuture<'_, Result<RequestsWithAnswers, StoreError>> {
        let of_others = self.has(Fault::RequestsOfOthersAreListed);
        let saga = if of_others { "b".parse().unwrap() } else { saga.clone() };
        Box::pin(async move { self.inner.requests_of(&saga).await })
    }

    fn answer(
        &self,
        worker: &WorkerId,
        request: Uuid,
        answer: Answer,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        if self.has(Fault::RequestsStayWhenAnswered) {
            return Box::pin(async { Ok(()) });
        }
        let again = self.asked.swap(true, SeqCst);
        if self.has(Fault::SecondAnswersWin) && !again {
            return self.inner.answer(worker, request, Answer::Done);
        }
        self.inner.answer(worker, request, answer)
    }

    fn answer_to(&self, request: Uuid) -> BoxFuture<'_, Result<Option<Answer>, StoreError>> {
        self.inner.answer_to(request)
    }
}

async fn first_violation(fault: Fault) -> Option<&'static str> {
    let make = async || {
        let (inner, asked, shares) = (MemoryStore::new(), AtomicBool::new(false), Mutex::default());
        Ok(Faulty { inner, fault, asked, shares, created: Mutex::default() })
    };
    store_conformance(make).await.err().map(|e| {
        assert!(!e.why.is_empty(), "{e}");
        e.check
    })
}

#[tokio::test]
async fn a_store_with_one_fault_fails_the_check_for_it() {
    assert_eq!(first_violation(Fault::None).await, None);
    for (fault, check) in [
        (Fault::CreateOverwrites, "create_with_a_taken_id_changes_nothing"),
        (Fault::CreateAcceptsGaps, "create_refuses_wrong_sequence_numbers"),
        (Fault::AppendIgnoresTheOwner, "append_with_a_stale_owner_epoch_or_seq_is_fenced"),
        (Fault::AppendIgnoresTheEpoch, "append_with_a_stale_owner_epoch_or_seq_is_fenced"),
        (Fault::AppendWritesTwice, "append_grows_the_log_and_changes_the_record"),
        (Fault::AppendForgetsTheRecord, "append_grows_the_log_and_changes_the_record"),
        (Fault::AppendForgetsAnswers, "append_answers_requests"),
        (Fault::PayloadsAreText, "every_kind_of_entry_is_returned_bit_for_bit"),
        (Fault::LoadManyLosesTheOrder, "load_many_returns_what_load_returns_in_order"),
        (Fault::LoadClaimedTrustsTheClaim, "load_claimed_returns_what_load_returns_in_order"),
        (Fault::ListIgnoresPages, "list_filters_and_pages"),
        (Fault::ListIgnoresTimes, "list_filters_and_pages"),
        (Fault::ListIgnoresWhatIsParked, "list_filters_and_pages"),
        (Fault::ListIgnoresWhatIsPaused, "list_filters_and_pages"),
        (Fault::ListIgnoresPrefixes, "list_filters_and_pages"),
        (Fault::ListIgnoresDefinitions, "list_filters_and_pages"),
        (Fault::ListIgnoresIdleness, "list_filters_and_pages"),
        (Fault::ListIgnoresWhatIsDue, "suspended_sagas_are_listed_and_counted"),
        (Fault::VersionsCountTheEnded, "versions_count_the_unfinished_sagas"),
        (Fault::CountsForgetWhatIsParked, "counts_tell_every_state_of_every_definition"),
        (Fault::RequestsOfOthersAreListed, "requests_of_a_saga_come_with_their_answers"),
        (Fault::ClaimKeepsTheEpoch, "claim_takes_over_unfinished_sagas_with_a_new_epoch"),
        (Fault::ClaimLeavesWhatIsPaused, "claim_skips_ended_parked_and_unknown_sagas"),
        (Fault::ClaimTakesWhatIsParked, "claim_skips_ended_parked_and_unknown_sagas"),
        (Fault::ClaimIgnoresTheLimit, "claim_takes_the_oldest_first_up_to_its_limit"),
        (Fault::ReleaseKeepsTheOwner, "append_with_a_stale_owner_epoch_or_seq_is_fenced"),
        (Fault::DeleteTakesWhatRuns, "delete_removes_only_sagas_that_nobody_runs"),
        (Fault::TakeLeavesTheEnded, "take_makes_the_worker_the_owner_in_any_status"),
        (Fault::PurgeTakesEverything, "removing_a_saga_removes_its_requests"),
        (Fault::PurgeIgnoresTheLimit, "purge_removes_old_ended_sagas_in_batches"),
        (Fault::RequestsNeedNoSaga, "requests_are_listed_until_they_are_answered"),
        (Fault::RequestsHaveGaps, "requests_are_listed_with_all_that_were_left_before"),
        (Fault::RequestsStayWhenAnswered, "requests_are_listed_until_they_are_answered"),
        (Fault::SecondAnswersWin, "requests_are_listed_until_they_are_answered"),
        (
            Fault::CallSharesAreOverwritten,
            "call_shares_are_changed_only_by_who_has_read_the_newest",
        ),
        (Fault::DefinitionStays, "append_changes_the_definition_with_its_entries"),
        (Fault::DefinitionKeepsParams, "append_changes_the_definition_with_its_entries"),
        (Fault::DefinitionChangesForAllSagas, "append_changes_the_definition_with_its_entries"),
        (Fault::DefinitionChangesWhenFenced, "a_fenced_append_does_not_change_the_definition"),
        (
            Fault::DefinitionIsForgottenWhenReopened,
            "a_new_definition_outlives_later_writes_and_a_reopening",
        ),
        (Fault::CallSharesLoseTheOrder, "call_shares_are_changed_only_by_who_has_read_the_newest"),
    ] {
        assert_eq!(first_violation(fault).await, Some(check), "{fault:?}");
    }
}
