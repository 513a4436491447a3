//! A driver for a saga that is in the store, and that this process has just taken over.

use std::sync::Arc;

use super::{CreationTime, Driver, DriverLink, Environment, Evaluations, Origin, Values};
use crate::clock::ClockView;
use crate::context::{Frame, RunInfo};
use crate::crash_points::crash_point;
use crate::dag::AnyDag;
use crate::log::{Entry, Payload, SagaEntry};
use crate::machine::{Config, Corrupt, Event, Machine, SagaState, Watch};
use crate::store::StoredSaga;

/// A saga that is to be resumed.
pub(crate) struct StoredRun {
    pub(crate) stored: StoredSaga,
    /// Its parameters, decoded by its definition.
    pub(crate) root: Frame,
    pub(crate) dag: Arc<AnyDag>,
    /// The ownership under which this process runs it.
    pub(crate) epoch: u64,
    /// Why it must not run again, if it is what kills its process.
    pub(crate) crash_loop: Option<String>,
}

impl Driver {
    /// Folds the log. Calls with no recorded outcome are in doubt; a saga that must not resume is parked.
    ///
    /// # Errors
    /// [`Corrupt`] if the log does not fit the definition.
    pub(crate) fn recover(
        env: Arc<Environment>,
        run: StoredRun,
        config: &Arc<Config>,
        link: DriverLink,
    ) -> Result<Self, Corrupt> {
        let StoredRun { stored: StoredSaga { record, entries }, dag, root, epoch, crash_loop } =
            run;
        let config = config.with_deadline(record.deadline);
        let created_at = CreationTime::at(record.created_at);
        crash_point("driver.recover.loaded");
        let machine = Machine::recover(dag.plan().clone(), config, epoch, &entries)?;
        let state = machine.state();
        let keys = state.keys().filter(|keys| !keys.is_empty()).cloned();
        let run =
            RunInfo::new(record.id, dag.name().clone(), record.run_key, link.home).with_keys(keys);
        let values = Values::new(dag, root, env.limits.max_width);
        let values = values.compared_by(Evaluations::of(&env, &run.id)).loaded(state, &entries);
        if state.cause().is_some() {
            run.cancel.set();
        }
        // a saga that an operator has just woken resumes, whatever it was parked for
        let must_wait = match record.parked_reason.is_some() || record.status.is_ended() {
            true => None,
            false => values
                .why_unreadable(&run.id, state)
                .filter(|_| !is_given_up(state, &entries))
                .or(crash_loop)
                .or_else(|| values.recheck(state)),
        };
        let first = must_wait.map_or(Event::Recovered, |reason| Event::Park { reason });
        Ok(Self {
            machine,
            values,
            run: Arc::new(run),
            epoch,
            first: vec![first],
            is_new: false,
            origin: Origin::of_log(&entries),
            created_at,
            progress: link.progress,
            env,
            clock: ClockView::default(),
        })
    }

    /// The parameters of the saga, as they are stored; `None` if this program cannot read them.
    pub(crate) fn params(&self) -> Option<&Payload> {
        let root = self.values.root();
        root.refused.is_none().then_some(&root.params.payload)
    }

    /// Only finds out how calls have ended that are in doubt, and [stops](super::RunEnd::Settled) then.
    pub(crate) fn settle(&mut self) {
        self.machine.settle();
    }

    /// Watches a saga that was running when its process died, unless it is to be parked.
    pub(crate) fn watch(&mut self, watch: Watch) {
        if self.first == [Event::Recovered] {
            self.first.insert(0, Event::Watch(watch));
        }
    }
}

/// True if an operator let a parked saga roll back: what it cannot undo is then left as it is.
fn is_given_up(state: &SagaState, log: &[Entry]) -> bool {
    state.cause().is_some()
        && log.iter().any(|entry| entry.saga_entry() == Some(&SagaEntry::Unparked))
}
