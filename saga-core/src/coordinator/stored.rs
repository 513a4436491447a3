//! Sagas read back from the store.
//!
//! This is the one place that loads a saga, finds the definition that it was started with, folds its log
//! into a state, and says what is wrong when one of these steps fails. Everything that looks at a stored
//! saga starts here: recovery, operators, handles, `get`, `inspect` and executors.

use std::fmt;
use std::sync::Arc;

use super::CoordinatorInner;
use super::definitions::Definition;
use crate::dag::DagShape;
use crate::driver::Values;
use crate::error::{OperateError, SagaError, StartError};
use crate::log::{Payload, SagaId, SagaStatus};
use crate::machine::SagaState;
use crate::plan::Plan;
use crate::store::{SagaRecord, Store, StoreError, StoredSaga};

/// A saga as the store has it, with its definition if this program knows that.
pub(crate) struct Stored {
    pub(crate) saga: StoredSaga,
    pub(crate) definition: Option<Definition>,
}

/// Why a stored saga cannot be used.
#[derive(Debug)]
pub(crate) enum StoredError {
    /// The store failed, or has no such saga.
    Store(StoreError),
    /// This program does not know the definition that the saga was started with.
    UnknownVersion { saga: SagaId, name: String, status: SagaStatus },
    /// The log does not fit the definition.
    Corrupt { saga: SagaId, why: String },
}

/// Reads a saga that must be in the store.
///
/// # Errors
/// The store's; [`StoreError::NotFound`] if there is no such saga.
pub(crate) async fn read(store: &dyn Store, id: &SagaId) -> Result<StoredSaga, StoreError> {
    present(id, store.load(id).await)
}

/// What was loaded of a saga that must be in the store.
pub(super) fn present(
    id: &SagaId,
    loaded: Result<Option<StoredSaga>, StoreError>,
) -> Result<StoredSaga, StoreError> {
    loaded?.ok_or_else(|| StoreError::NotFound { saga: id.clone() })
}

impl CoordinatorInner {
    /// Reads a saga that must be in the store, and finds its definition.
    pub(crate) async fn stored(&self, id: &SagaId) -> Result<Stored, StoredError> {
        self.with_definition(read(&*self.env.store, id).await)
    }

    /// Finds the definition of a saga that was read.
    pub(super) fn with_definition(
        &self,
        read: Result<StoredSaga, StoreError>,
    ) -> Result<Stored, StoredError> {
        let saga = read.map_err(StoredError::Store)?;
        let definition = self.definition_of(&saga.record);
        Ok(Stored { saga, definition })
    }

    /// The definition that a saga was started with, if this program has everything that it needs.
    pub(super) fn definition_of(&self, record: &SagaRecord) -> Option<Definition> {
        let known = self.definitions.known(&record.fingerprint);
        known.or_else(|| self.definitions.rebuild(&record.dag, &record.fingerprint))
    }

    /// True if this program can run sagas of this definition.
    pub(super) fn knows(&self, fingerprint: &str, dag: &Payload) -> bool {
        let known = self.definitions.known(fingerprint);
        known.is_some() || self.definitions.rebuild(dag, fingerprint).is_some()
    }
}

impl Stored {
    pub(super) fn definition(&self) -> Result<&Definition, StoredError> {
        self.definition.as_ref().ok_or_else(|| {
            let SagaRecord { id, name, status, .. } = &self.saga.record;
            StoredError::UnknownVersion {
                saga: id.clone(),
                name: name.to_string(),
                status: *status,
            }
        })
    }

    /// The state that the log leads to, under the saga's definition.
    pub(super) fn state(&self) -> Result<SagaState, StoredError> {
        self.fold(self.definition()?.dag.plan().clone())
    }

    /// The state that the log leads to; `None` if this program does not know the definition, and the DAG
    /// that was stored with the saga cannot be read either.
    pub(super) fn state_by_shape(&self) -> Result<Option<(SagaState, Arc<Plan>)>, StoredError> {
        let known = self.definition.as_ref().map(|known| known.dag.plan().clone());
        let plan = known.or_else(|| self.shape().map(|shape| shape.plan));
        let Some(plan) = plan else { return Ok(None) };
        Ok(Some((self.fold(plan.clone())?, plan)))
    }

    /// The shape of the DAG that was stored with the saga: enough to read its log without its definition.
    pub(super) fn shape(&self) -> Option<DagShape> {
        DagShape::read(self.saga.record.dag.as_bytes())
    }

    pub(super) fn fold(&self, plan: Arc<Plan>) -> Result<SagaState, StoredError> {
        SagaState::fold(plan, &self.saga.entries)
            .map_err(|error| StoredError::corrupt_log(&self.saga.record.id, error))
    }

    /// The parameters and outputs of the saga, decoded.
    pub(super) fn values(
        &self,
        state: &SagaState,
        max_width: usize,
    ) -> Result<Values, StoredError> {
        let definition = self.definition()?;
        let root = definition.root(&self.saga.record.params);
        Ok(Values::of_log(definition.dag.clone(), root, max_width, state, &self.saga.entries))
    }
}

impl StoredError {
    pub(super) fn corrupt_log(saga: &SagaId, error: impl fmt::Display) -> Self {
        Self::Corrupt { saga: saga.clone(), why: format!("its log is corrupt: {error}") }
    }

    /// What a saga that this process is about to run is told.
    pub(super) fn while_resuming(self, saga: &SagaId) -> SagaError {
        let saga = saga.clone();
        match self {
            Self::Store(StoreError::Corrupt { seq, why, .. }) => {
                SagaError::Corrupt { saga, why: crate::store::corrupt(seq, &why) }
            }
            Self::Store(source) => SagaError::Store { saga, source },
            other @ (Self::UnknownVersion { .. } | Self::Corrupt { .. }) => other.into(),
        }
    }
}

impl From<StoredError> for StartError {
    fn from(error: StoredError) -> Self {
        match error {
            StoredError::Store(error) => Self::Store(error),
            StoredError::UnknownVersion { saga, name, status } => {
                Self::UnknownVersion { saga, name, status }
            }
            StoredError::Corrupt { saga, why } => Self::Corrupt { saga, why },
        }
    }
}

impl From<StoredError> for SagaError {
    fn from(error: StoredError) -> Self {
        match error {
            StoredError::Corrupt { saga, why } => Self::Corrupt { saga, why },
            other @ (StoredError::Store(_) | StoredError::UnknownVersion { .. }) => {
                Self::Start(other.into())
            }
        }
    }
}

impl From<StoredError> for OperateError {
    fn from(error: StoredError) -> Self {
        match error {
            StoredError::Store(StoreError::NotFound { saga }) => Self::NotFound { saga },
            StoredError::Store(error) => Self::Store(error),
            StoredError::UnknownVersion { saga, name, .. } => Self::UnknownVersion { saga, name },
            corrupt @ StoredError::Corrupt { .. } => {
                Self::NotCarriedOut { source: Box::new(corrupt.into()) }
            }
        }
    }
}
