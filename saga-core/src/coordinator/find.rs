//! Finding a saga by its id: among the running sagas, or in the store.

use std::sync::Arc;

use super::CoordinatorInner;
use super::handle::AnyHandle;
use super::stored::{Stored, StoredError};
use crate::driver::{Creation, SagaProgress, SagaResult, result_of_failed};
use crate::error::{SagaError, StartError};
use crate::log::{SagaId, SagaStatus, since_migration};
use crate::store::{SagaRecord, StoreError};
use crate::value::ActionOutput;

impl CoordinatorInner {
    /// A handle to a saga that runs here or is in the store. If a name is requested, it must have that name.
    pub(super) async fn find(
        self: &Arc<Self>,
        id: &SagaId,
        requested: Option<&str>,
    ) -> Result<Option<AnyHandle>, StartError> {
        let channel = self.progress.of(id);
        let name: Arc<str> = loop {
            let run = channel.current_run();
            if let Some(name) = self.find_running(id).await? {
                break name;
            }
            let stored = match self.stored(id).await {
                Ok(stored) => stored,
                Err(StoredError::Store(StoreError::NotFound { .. })) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            self.check_goes_on(&stored.saga.record).await?;
            let (name, progress) = self.progress_of(&stored)?;
            let is_over = progress.result.is_some();
            // otherwise this process took the saga up meanwhile; it may even have ended by now
            if channel.found_in_store(run, progress) {
                if !is_over {
                    // its handles wait, wherever it goes on
                    self.follow(&channel);
                }
                break name;
            }
        };
        match requested {
            Some(requested) if *requested != *name => {
                let (saga, requested) = (id.clone(), requested.to_string());
                Err(StartError::IdConflict {
                    saga,
                    existing: name.to_string(),
                    requested,
                    differs: None,
                    version: None,
                })
            }
            _ => Ok(Some(AnyHandle::new(id.clone(), channel, self))),
        }
    }

    /// The name of a saga that runs here and is in the store.
    async fn find_running(&self, id: &SagaId) -> Result<Option<Arc<str>>, StartError> {
        let running = self.running().get(id).cloned();
        let Some(running) = running else { return Ok(None) };
        Ok(match running.link.creation().await {
            Some(Creation::New) => Some(running.name.clone()),
            Some(Creation::Exists(found)) => {
                self.check_goes_on(&found).await?;
                Some(running.name.clone())
            }
            Some(Creation::Failed(_)) | None => None,
        })
    }

    /// The name and progress of a saga that this process does not run, from the store.
    pub(super) async fn progress_in_store(
        &self,
        id: &SagaId,
    ) -> Result<(Arc<str>, SagaProgress), StartError> {
        self.progress_of(&self.stored(id).await?)
    }

    fn progress_of(&self, stored: &Stored) -> Result<(Arc<str>, SagaProgress), StartError> {
        let record = &stored.saga.record;
        let (name, status) = (record.name.clone(), record.status);
        let goes_on = self.is_one_of_many() || self.wakes(stored);
        if goes_on && !status.is_ended() && record.parked_reason.is_none() {
            return Ok((name, SagaProgress::elsewhere(status)));
        }
        let result = if !status.is_ended() {
            if stored.definition.is_some() {
                // a log that cannot be folded is reported as such
                stored.state()?;
            }
            Err(self.why_not_running(stored))
        } else if stored.definition.is_some() {
            let state = stored.state()?;
            let values = stored.values(&state, self.env.limits.max_width)?;
            values.result_of_ended(&state, &record.id).ok_or_else(|| StartError::Corrupt {
                saga: record.id.clone(),
                why: "its log has no end".to_string(),
            })?
        } else {
            let unknown = || StoredError::UnknownVersion {
                saga: record.id.clone(),
                name: name.to_string(),
                status,
            };
            result_of_unknown(stored).ok_or_else(unknown)?
        };
        Ok((name, SagaProgress::over(status, result)))
    }

    /// True for a saga that waits in the store, and that this process wakes when its time comes.
    fn wakes(&self, stored: &Stored) -> bool {
        let wakes = self.env.reloads && !self.is_closing() && stored.definition.is_some();
        stored.saga.record.suspended && wakes
    }

    /// Refuses an unfinished saga that nothing runs, because this program does not know its definition and no other worker
    /// has it.
    pub(super) async fn check_goes_on(&self, record: &SagaRecord) -> Result<(), StartError> {
        let is_at_rest = record.status.is_ended() || record.parked_reason.is_some();
        if is_at_rest || self.definition_of(record).is_some() {
            return Ok(());
        }
        if self.env.lease.is_some()
            && let Some(owner) = &record.owner
            && self.env.store.workers().await?.iter().any(|worker| worker.id == *owner)
        {
            return Ok(());
        }
        let (saga, name, status) = (record.id.clone(), record.name.to_string(), record.status);
        Err(StartError::UnknownVersion { saga, name, status })
    }

    /// Why this process does not run a saga that has not ended.
    fn why_not_running(&self, stored: &Stored) -> SagaError {
        let SagaRecord { id, name, owner, parked_reason, .. } = &stored.saga.record;
        let saga = id.clone();
        if let Some(reason) = parked_reason.clone() {
            return SagaError::Parked { saga, reason };
        }
        let why = match owner {
            _ if stored.definition.is_none() => {
                format!("it was started by a version of `{name}` that is not registered here")
            }
            Some(owner) if *owner == self.env.worker => {
                "it stopped after an error, and resumes when a coordinator is next built".into()
            }
            Some(_) => return SagaError::LostOwnership { saga },
            None => "it resumes when a coordinator is next built".into(),
        };
        SagaError::NotRunning { saga, why }
    }
}

/// How a saga ended whose definition this program does not know, as far as its log alone tells.
fn result_of_unknown(stored: &Stored) -> Option<SagaResult> {
    let (shape, record) = (stored.shape()?, &stored.saga.record);
    let state = stored.fold(shape.plan).ok()?;
    if state.status() != SagaStatus::Completed {
        return result_of_failed(&record.name, &state, &record.id);
    }
    if !shape.returns {
        return Some(Ok(None));
    }
    let output = shape.output?;
    let log = since_migration(&stored.saga.entries);
    let mut of_node = log.iter().filter(|e| e.node().is_some_and(|n| *n == *output));
    let payload = of_node.find_map(|entry| entry.node_entry()?.output());
    Some(Ok(Some(ActionOutput::decode::<serde_json::Value>(payload?).ok()?)))
}
