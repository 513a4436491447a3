//! A driver for a new saga, which is not in the store yet.

use std::sync::Arc;

use super::{Driver, Environment, ProgressChannel, Values};
use crate::context::{CancelSignal, RunInfo};
use crate::dag::Dag;
use crate::log::{SagaId, Timestamp};
use crate::machine::{Config, Event, Machine};
use crate::store::SagaRecord;
use crate::value::ActionOutput;

/// A saga that is about to be created.
pub(crate) struct NewRun<C> {
    pub(crate) id: SagaId,
    pub(crate) dag: Arc<Dag<C>>,
    pub(crate) params: ActionOutput,
    pub(crate) deadline: Option<Timestamp>,
}

impl<C: Send + Sync + 'static> Driver<C> {
    /// The first append of this driver creates the saga in the store.
    pub(crate) fn create(
        env: Arc<Environment<C>>,
        new: NewRun<C>,
        config: Config,
        progress: Arc<ProgressChannel>,
    ) -> Self {
        let NewRun { id, dag, params, deadline } = new;
        let record = SagaRecord {
            fingerprint: dag.shared_fingerprint().clone(),
            params: params.payload.clone(),
            dag: dag.shared_json().clone(),
            deadline,
            ..SagaRecord::new(id, dag.name().shared(), env.worker.clone(), env.clock.now())
        };
        let run_key = record.run_key;
        let run = RunInfo { id: record.id.clone(), run_key, cancel: CancelSignal::default() };
        Self {
            machine: Machine::new(dag.plan().clone(), Config { deadline, ..config }, 1),
            values: Values::new(dag.clone(), dag.frame(params), env.limits.max_width),
            run: Arc::new(run),
            epoch: 1,
            first: vec![Event::Created { run_key }],
            new: Some(record),
            progress,
            lead: env.clock.lead(),
            env,
        }
    }
}
