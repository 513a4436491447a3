//! A driver for a new saga, which is not in the store yet.

use std::sync::Arc;

use super::{CreationTime, Driver, DriverLink, Environment, Evaluations, Origin, Values};
use crate::clock::ClockView;
use crate::context::RunInfo;
use crate::dag::AnyDag;
use crate::log::{SagaId, Timestamp, Uuid};
use crate::machine::{Config, Event, Machine};
use crate::store::SagaRecord;
use crate::value::ActionOutput;

/// A saga that is about to be created.
pub(crate) struct NewRun {
    pub(crate) id: SagaId,
    /// Random.
    pub(crate) run_key: Uuid,
    pub(crate) dag: Arc<AnyDag>,
    pub(crate) params: ActionOutput,
    pub(crate) deadline: Option<Timestamp>,
    /// When it starts, if not at once.
    pub(crate) starts_at: Option<Timestamp>,
}

impl Driver {
    /// The first append of this driver creates the saga in the store.
    pub(crate) fn create(
        env: Arc<Environment>,
        new: NewRun,
        config: &Arc<Config>,
        link: DriverLink,
    ) -> Self {
        let NewRun { id, run_key, dag, params, deadline, starts_at } = new;
        let run = RunInfo::new(id, dag.name().clone(), run_key, link.home);
        let config = config.with_deadline(deadline).with_start(starts_at);
        Self {
            machine: Machine::new(dag.plan().clone(), config, 1),
            values: Values::new(dag.clone(), dag.frame(params), env.limits.max_width)
                .compared_by(Evaluations::of(&env, &run.id)),
            run: Arc::new(run),
            epoch: 1,
            first: vec![Event::Created { run_key }],
            is_new: true,
            origin: Origin::current(),
            created_at: CreationTime::at(Timestamp(0)),
            progress: link.progress,
            env,
            clock: ClockView::default(),
        }
    }

    /// The record of the new saga, as it is before its first entries, which are of this time.
    pub(super) fn new_record(&self, created_at: Timestamp) -> SagaRecord {
        let (run, root) = (&self.run, self.values.root());
        let (dag, name) = (&root.dag, root.dag.name().shared());
        let worker = self.env.worker.clone();
        SagaRecord {
            fingerprint: dag.shared_fingerprint().clone(),
            params: root.params.payload.clone(),
            dag: dag.shared_json().clone(),
            deadline: self.machine.config().deadline,
            ..SagaRecord::of_run(run.id.clone(), run.run_key, name, worker, created_at)
        }
    }
}
