//! Resuming the unfinished sagas of earlier processes, when a coordinator is built.

use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{Either, select};

use super::CoordinatorInner;
use super::crash_loop::{
    ClaimedPages, Scheduled, ScheduledResume, WaitingSaga, crash_loop, resume_time,
};
use super::migration::ToRun;
use super::reload::{LoadReason, while_listening};
use super::running::{Admission, SagaTask};
use super::stored::{StoredError, read};
use crate::crash_points::crash_point;
use crate::driver::{Control, Driver, DriverLink, PendingRequest, StoredRun};
use crate::error::SagaError;
use crate::log::{Entry, SagaEntry, SagaId};
use crate::store::{Append, RecordChange, SagaRecord, StoreError, StoredSaga};

/// How many sagas are claimed at first. Every claim passes over the sagas that were claimed before it, so each is
/// four times as large as the one before.
const FIRST_CLAIM: usize = 256;

/// Sagas that were claimed and are not running yet. Unless they are kept, they are released again.
struct Claims(Option<Arc<CoordinatorInner>>);

impl Claims {
    fn keep(&mut self) {
        self.0 = None;
    }
}

impl Drop for Claims {
    fn drop(&mut self) {
        if let Some(inner) = self.0.take() {
            let tasks = inner.tasks.clone();
            tasks.spawn(async move {
                // if this fails, the next claim takes them over all the same
                let _ = inner.env.store.release(&inner.env.worker).await;
            });
        }
    }
}

impl CoordinatorInner {
    /// Claims every unfinished saga with a known definition, and resumes it. Nothing runs before all are
    /// claimed; if a claim fails, or the future is dropped, all are released again.
    pub(super) async fn recover(self: &Arc<Self>) -> Result<(), StoreError> {
        let fingerprints = self.definitions.all_fingerprints();
        if fingerprints.is_empty() {
            return Ok(());
        }
        let mut claims = Claims(Some(self.clone()));
        let (mut all, mut pages) = (Vec::new(), ClaimedPages::new(self.clone()));
        let mut limit = FIRST_CLAIM;
        loop {
            let claim = self.env.store.claim(&self.env.worker, &fingerprints, limit);
            let claimed = match pages.load_during(claim).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    // `build` reports the failed claim
                    let _ = self.env.store.release(&self.env.worker).await;
                    claims.keep();
                    return Err(error);
                }
            };
            crash_point("driver.claim.done");
            let last = claimed.len() < limit;
            let claimed = claimed.into_iter().map(Arc::new).collect::<Vec<_>>();
            pages.add(&claimed);
            all.extend(claimed);
            limit = limit.saturating_mul(4);
            if last {
                break;
            }
        }
        claims.keep();
        self.resume_pages(all, pages);
        Ok(())
    }

    /// Resumes sagas that were claimed.
    pub(super) fn resume_all_claimed(self: &Arc<Self>, claimed: Vec<SagaRecord>) {
        let claimed = claimed.into_iter().map(Arc::new).collect::<Vec<_>>();
        let mut pages = ClaimedPages::new(self.clone());
        pages.add(&claimed);
        self.resume_pages(claimed, pages);
    }

    fn resume_pages(self: &Arc<Self>, claimed: Vec<Arc<SagaRecord>>, pages: ClaimedPages) {
        self.tasks.spawn(self.begin_pages(claimed, pages));
    }

    /// Resumes sagas that were claimed because they are due. Ready once they are loaded.
    pub(super) fn resume_page(
        self: &Arc<Self>,
        claimed: Vec<SagaRecord>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let claimed = claimed.into_iter().map(Arc::new).collect::<Vec<_>>();
        let mut pages = ClaimedPages::new(self.clone());
        pages.add(&claimed);
        self.begin_pages(claimed, pages)
    }

    fn begin_pages(
        self: &Arc<Self>,
        claimed: Vec<Arc<SagaRecord>>,
        pages: ClaimedPages,
    ) -> impl Future<Output = ()> + Send + 'static {
        let ids = claimed.iter().map(|record| record.id.clone()).collect();
        let waiting = claimed.into_iter().map(|record| self.resume_claimed(record)).collect();
        // only now are all of them on the list of running sagas
        let inner = self.clone();
        async move {
            inner.pass_on_requests(ids).await;
            inner.schedule_claimed(waiting, pages).await;
        }
    }

    /// Resumes a saga that was claimed, in a task of its own: one bad log never stops the others.
    fn resume_claimed(self: &Arc<Self>, record: Arc<SagaRecord>) -> Option<WaitingSaga> {
        self.definitions.known(&record.fingerprint)?;
        let id = record.id.clone();
        let input = (&record.name, &record.params, &record.fingerprint);
        let admission = self.admit(&id, input, Some(record.status));
        let Admission::Admitted(_, task) = admission else {
            // its task has lost it to another process, perhaps without knowing it yet, and gives it up
            self.strays.note();
            return None;
        };
        let (waiting, scheduled) = WaitingSaga::new(&record);
        self.tasks.spawn(self.clone().run_claimed(task, record, scheduled));
        Some(waiting)
    }

    /// Loads a saga that was claimed, and runs it.
    ///
    /// There may be very many sagas that only wait, so the future is no larger than that of a saga that runs: the
    /// future that loads it gives its place to the one that runs it, and what it needs for a moment is boxed.
    fn run_claimed(
        self: Arc<Self>,
        task: SagaTask,
        record: Arc<SagaRecord>,
        scheduled: Scheduled,
    ) -> impl Future<Output = ()> + Send + 'static {
        let loaded = self.load_claimed(task, record, scheduled);
        loaded.then(|(task, loaded, requests)| task.run(loaded, requests))
    }

    /// A driver for a saga that was claimed, and the requests that arrived meanwhile. It waits until the saga was
    /// loaded, and a suspect for its scheduled time.
    async fn load_claimed(
        self: Arc<Self>,
        task: SagaTask,
        record: Arc<SagaRecord>,
        scheduled: Scheduled,
    ) -> (SagaTask, Result<Box<Driver>, SagaError>, Vec<PendingRequest>) {
        let mut requests = Vec::new();
        // a request does not wait for the schedule
        let waited = {
            let (time, message) = (pin!(resume_time(scheduled)), pin!(task.saga().link.message()));
            match select(time, message).await {
                Either::Left((Some(resume), _)) => Ok(Some(resume)),
                Either::Left((None, _)) if !self.is_closing() => Ok(None),
                // its driver finds out whether it may run
                Either::Right((Control::LeaseEnded, _)) => Ok(None),
                Either::Right((Control::Request(request), _)) => {
                    requests.push(request);
                    Ok(None)
                }
                Either::Left((None, _))
                | Either::Right((Control::Drain | Control::Stop(_) | Control::Transaction(_), _)) => {
                    Err(SagaError::ShutDown { saga: record.id.clone() })
                }
            }
        };
        let loaded = match waited {
            Err(error) => Err(error),
            Ok(resume) => {
                let load = Box::pin(self.load_scheduled(
                    Arc::unwrap_or_clone(record),
                    resume,
                    task.driver_link(),
                ));
                while_listening(&task.saga().link, |new| requests.push(new), load).await
            }
        };
        (task, loaded, requests)
    }

    /// A driver for a saga that is to resume now. `None` if it was not loaded yet.
    async fn load_scheduled(
        &self,
        record: SagaRecord,
        resume: Option<Box<ScheduledResume>>,
        link: DriverLink,
    ) -> Result<Box<Driver>, SagaError> {
        let reason = LoadReason::Claimed;
        let Some(resume) = resume else {
            let _place = self.places_to_load(1).await;
            return self.resume(record, link, reason).await;
        };
        let ScheduledResume { watch, loaded, .. } = *resume;
        let mut driver = self.run_of(record, loaded, link, reason).await?;
        if let Some(watch) = watch {
            driver.watch(watch);
        }
        Ok(driver)
    }

    /// A driver for a saga that this process owns, made of its log. `record` is what the claim returned.
    pub(super) async fn resume(
        &self,
        record: SagaRecord,
        link: DriverLink,
        reason: LoadReason,
    ) -> Result<Box<Driver>, SagaError> {
        let loaded = self.read_unless_closing(&record.id).await?;
        self.run_of(record, loaded, link, reason).await
    }

    /// Reads a saga; a load that hangs does not delay a shutdown.
    pub(super) async fn read_unless_closing(
        &self,
        id: &SagaId,
    ) -> Result<Result<StoredSaga, StoreError>, SagaError> {
        match select(pin!(read(&*self.env.store, id)), pin!(self.closed())).await {
            Either::Left((loaded, _)) => Ok(loaded),
            Either::Right(_) => Err(SagaError::ShutDown { saga: id.clone() }),
        }
    }

    /// The same, of a log that was loaded after the claim.
    async fn run_of(
        &self,
        record: SagaRecord,
        loaded: Result<StoredSaga, StoreError>,
        link: DriverLink,
        reason: LoadReason,
    ) -> Result<Box<Driver>, SagaError> {
        let id = record.id.clone();
        let found = match self.with_definition(loaded) {
            Ok(found) => found,
            Err(StoredError::Store(StoreError::NotFound { .. })) => {
                let why = "it is no longer in the store".to_string();
                return Err(SagaError::Corrupt { saga: id, why });
            }
            Err(StoredError::Store(source @ StoreError::UnknownKey { .. })) => {
                return Err(self.park_unread(&record, source.to_string()).await);
            }
            Err(error) => return Err(error.while_resuming(&id)),
        };
        let definition = found.definition()?.clone();
        let stored = found.saga;
        // a saga that this process stopped itself has seen no crash
        let crash_loop = match reason {
            LoadReason::Claimed => crash_loop(&stored.record, &stored.entries, self.crash_limit),
            LoadReason::Again => None,
        };
        let migrated = Box::pin(self.migrated(stored, definition, record.epoch)).await;
        let ToRun { stored, definition, settles } =
            migrated.map_err(|error| StoredError::Store(error).while_resuming(&id))?;
        let (dag, root) = (definition.dag.clone(), definition.root(&stored.record.params));
        let run = StoredRun { stored, dag, root, epoch: record.epoch, crash_loop };
        let mut driver = Driver::recover(self.env.clone(), run, &self.config, link)
            .map_err(|error| SagaError::from(StoredError::corrupt_log(&id, error)))?;
        if settles {
            driver.settle();
        }
        self.note_readable(&id);
        Ok(Box::new(driver))
    }

    /// Parks a saga whose log cannot be decrypted, without a machine: it waits for its key.
    async fn park_unread(&self, record: &SagaRecord, reason: String) -> SagaError {
        let saga = record.id.clone();
        if record.parked_reason.is_some() {
            return SagaError::Parked { saga, reason };
        }
        let entry = Entry {
            seq: record.next_seq,
            epoch: record.epoch,
            at: self.env.clock.now().max(record.updated_at),
            kind: SagaEntry::Parked { reason: reason.clone() }.into(),
        };
        let change = RecordChange {
            parked_reason: Some(Some(reason.clone())),
            wake_at: record.wake_at,
            ..RecordChange::status(record.status)
        };
        let append = Append {
            saga: saga.clone(),
            owner: self.env.worker.clone(),
            epoch: record.epoch,
            expected_next_seq: record.next_seq,
            entries: vec![entry],
            change,
            answers: Vec::new(),
        };
        match self.env.store.append(append).await {
            Ok(()) => SagaError::Parked { saga, reason },
            Err(source) => SagaError::Store { saga, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saga_that_was_resumed_takes_no_more_memory_than_one_that_was_started() {
        fn resumed<A, B, C, D, F>(_: impl Fn(A, B, C, D) -> F) -> usize {
            size_of::<F>()
        }
        fn started<A, B, C, F>(_: impl Fn(A, B, C) -> F) -> usize {
            size_of::<F>()
        }
        let (resumed, started) = (resumed(CoordinatorInner::run_claimed), started(SagaTask::run));
        assert!(resumed <= started + size_of::<usize>(), "{resumed} and {started} bytes");
    }
}
