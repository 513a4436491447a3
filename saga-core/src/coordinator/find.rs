//! Sagas that are not in memory: how they stand, and why they don't run.

use std::sync::Arc;

use super::handle::SagaType;
use super::{CoordinatorInner, SagaHandle};
use crate::dag::DagShape;
use crate::driver::{Creation, SagaProgress, SagaResult, outcome_at_rest};
use crate::error::{SagaError, StartError};
use crate::log::{EntryKind, NodeEntry, SagaId, SagaStatus};
use crate::machine::State;
use crate::store::{SagaRecord, StoreError, StoredSaga};
use crate::value::ActionOutput;

impl<C: Send + Sync + 'static> CoordinatorInner<C> {
    /// A handle of a saga, running here or at rest in the store.
    pub(super) async fn find<S: SagaType>(
        self: &Arc<Self>,
        id: &SagaId,
    ) -> Result<Option<SagaHandle<S>>, StartError> {
        let track = self.tracks.of(id);
        let name = loop {
            let life = track.life();
            if let Some(name) = self.find_running(id).await {
                break name;
            }
            let (name, progress) = match self.at_rest(id).await {
                Ok(found) => found,
                Err(StartError::Store(StoreError::NotFound { .. })) => return Ok(None),
                Err(error) => return Err(error),
            };
            // otherwise it was taken up since the look at the list, and may even have ended
            if track.rest(life, progress) {
                break name;
            }
        };
        match S::NAME {
            Some(requested) if requested != name => {
                let (saga, requested) = (id.clone(), requested.to_string());
                Err(StartError::IdConflict { saga, existing: name, requested, differs: None })
            }
            _ => Ok(Some(SagaHandle::new(id.clone(), track, self))),
        }
    }

    /// The name of a saga that runs here and is in the store.
    async fn find_running(&self, id: &SagaId) -> Option<String> {
        let mut saga = self.running().get(id).cloned()?;
        match saga.created().await {
            Some(Creation::New | Creation::Exists(_)) => Some(saga.name),
            Some(Creation::Failed(_)) | None => None,
        }
    }

    /// Why this process does not run a saga that has not ended.
    fn why_at_rest(&self, record: &SagaRecord) -> SagaError {
        let saga = record.id.clone();
        if let Some(reason) = record.parked_reason.clone() {
            return SagaError::Parked { saga, reason };
        }
        let why = match &record.owner {
            _ if self.definition_of(record).is_none() => {
                let name = &record.name;
                format!("it was started by a version of `{name}` that is not registered here")
            }
            Some(owner) if *owner == self.env.worker => {
                "it stopped after an error, and goes on when a coordinator is next built".into()
            }
            Some(_) => return SagaError::LostOwnership { saga },
            None => "it goes on when a coordinator is next built".into(),
        };
        SagaError::NotRunning { saga, why }
    }

    /// The name of a saga that this process does not run, and how it stands, from the store.
    pub(super) async fn at_rest(&self, id: &SagaId) -> Result<(String, SagaProgress), StartError> {
        let stored = self.env.store.load(id).await?;
        let stored = stored.ok_or_else(|| StoreError::NotFound { saga: id.clone() })?;
        let (name, status) = (stored.record.name.clone(), stored.record.status);
        let corrupt = |why: String| StartError::Corrupt { saga: id.clone(), why };
        if !status.is_ended() {
            if let Some(definition) = self.definition_of(&stored.record) {
                State::fold(definition.dag.plan().clone(), &stored.entries)
                    .map_err(|e| corrupt(format!("its log is corrupt: {e}")))?;
            }
            let error = self.why_at_rest(&stored.record);
            return Ok((name, SagaProgress::over(status, Err(error))));
        }
        let Some(definition) = self.definition_of(&stored.record) else {
            let outcome = outcome_of_unknown(&stored).ok_or_else(|| {
                StartError::UnknownVersion { saga: id.clone(), name: name.clone(), status }
            })?;
            return Ok((name, SagaProgress::over(status, outcome)));
        };
        let state = State::fold(definition.dag.plan().clone(), &stored.entries)
            .map_err(|e| corrupt(format!("its log is corrupt: {e}")))?;
        let values = self.values(&definition, &stored, &state);
        let outcome = values.ended(&state, id);
        let outcome = outcome.ok_or_else(|| corrupt("its log has no end".to_string()))?;
        Ok((name, SagaProgress::over(status, outcome)))
    }
}

/// How a saga ended whose definition this program does not know, as far as the log alone says.
fn outcome_of_unknown(stored: &StoredSaga) -> Option<SagaResult> {
    let shape = DagShape::read(stored.record.dag.as_bytes())?;
    let state = State::fold(shape.plan, &stored.entries).ok()?;
    if state.status() != SagaStatus::Completed {
        return outcome_at_rest(&stored.record.name, &state, &stored.record.id);
    }
    if !shape.returns {
        return Some(Ok(None));
    }
    let output = shape.output?;
    let payload = stored.entries.iter().find_map(|entry| match &entry.kind {
        EntryKind::Node { node, entry: NodeEntry::Succeeded(payload), .. } if *node == *output => {
            Some(payload)
        }
        _ => None,
    });
    Some(Ok(Some(ActionOutput::decode::<serde_json::Value>(payload?).ok()?)))
}
