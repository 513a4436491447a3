//! Going on with what an earlier process left.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};
use tokio::sync::oneshot;

use super::CoordinatorInner;
use super::crash_loop::{self, ScheduledResume, comes, stand_in_line};
use super::definitions::Definition;
use super::reload::{LoadReason, while_listening};
use super::running::Admission;
use crate::context::{CancelSignal, RunInfo};
use crate::dag::stored_fingerprint;
use crate::driver::{Control, Driver, ProgressChannel, Values};
use crate::error::SagaError;
use crate::log::{Entry, Payload, SagaEntry};
use crate::machine::{Config, Event, Machine, State};
use crate::store::{
    Append, ListFilter, RecordChange, SagaRecord, SagaVersion, StoreError, StoredSaga,
};

/// How many sagas are claimed in one go.
const CLAIM: usize = 256;

/// Sagas that were claimed and do not run yet. If nobody keeps them, they are released.
struct Claims<C: Send + Sync + 'static>(Option<Arc<CoordinatorInner<C>>>);

impl<C: Send + Sync + 'static> Claims<C> {
    fn keep(&mut self) {
        self.0 = None;
    }
}

impl<C: Send + Sync + 'static> Drop for Claims<C> {
    fn drop(&mut self) {
        if let Some(inner) = self.0.take() {
            let tasks = inner.tasks.clone();
            tasks.spawn(async move {
                // whoever claims them next takes them over in any case
                let _ = inner.env.store.release(&inner.env.worker).await;
            });
        }
    }
}

/// True if the saga unwinds because a human said so after it had been parked: what it cannot undo is then left.
fn is_given_up(state: &State, log: &[Entry]) -> bool {
    state.cause().is_some()
        && log.iter().any(|entry| entry.saga_entry() == Some(&SagaEntry::Unparked))
}

/// A saga that is ready to go on.
pub(super) struct Loaded<C> {
    pub(super) driver: Driver<C>,
    /// What its machine is told first.
    pub(super) first: Vec<Event>,
}

impl<C: Send + Sync + 'static> CoordinatorInner<C> {
    /// Looks at the definitions of unfinished sagas; those of registered actions are rebuilt. Returns the
    /// ones that this program does not know.
    pub(super) async fn learn_versions(&self) -> Result<Vec<SagaVersion>, StoreError> {
        let mut unknown = Vec::new();
        for version in self.env.store.versions().await? {
            if self.definitions.known(&version.fingerprint).is_some() {
                continue;
            }
            let dag = self.intact(&version).await?;
            match self.definitions.rebuild(&dag, &version.fingerprint) {
                Some(definition) => self.definitions.remember(definition),
                None => unknown.push(version),
            }
        }
        Ok(unknown)
    }

    /// The DAG of a version. The one that the store shows is that of some saga, and may be damaged: then
    /// that of another one, so that the others are not kept from going on.
    async fn intact(&self, version: &SagaVersion) -> Result<Payload, StoreError> {
        let fits = |dag: &Payload| {
            stored_fingerprint(dag.as_bytes()).is_some_and(|found| found == version.fingerprint)
        };
        if fits(&version.dag) {
            return Ok(version.dag.clone());
        }
        let name = Some(version.name.clone());
        let mut filter = ListFilter { name, limit: CLAIM, ..ListFilter::default() };
        loop {
            let page = self.env.store.list(filter.clone()).await?;
            let same = |record: &&SagaRecord| record.fingerprint == version.fingerprint;
            if let Some(record) = page.iter().filter(same).find(|record| fits(&record.dag)) {
                return Ok(record.dag.clone());
            }
            filter.after = page.last().map(|record| record.id.clone());
            if page.len() < CLAIM {
                return Ok(version.dag.clone());
            }
        }
    }

    /// Claims everything unfinished that is known here, and goes on with it. Nothing runs before all of it is
    /// claimed; if that fails, or is given up, all of it is released again.
    pub(super) async fn recover(self: &Arc<Self>) -> Result<(), StoreError> {
        let fingerprints = self.definitions.all_fingerprints();
        if fingerprints.is_empty() {
            return Ok(());
        }
        let mut claims = Claims(Some(self.clone()));
        let mut all = Vec::new();
        loop {
            let claimed = self.env.store.claim(&self.env.worker, &fingerprints, CLAIM).await;
            let Ok(claimed) = claimed else {
                // the claim is what whoever builds is told of
                let _ = self.env.store.release(&self.env.worker).await;
                claims.keep();
                return claimed.map(drop);
            };
            let last = claimed.len() < CLAIM;
            all.extend(claimed);
            if last {
                break;
            }
        }
        claims.keep();
        let mut line = Vec::new();
        for record in all {
            let turn = stand_in_line(&record, &mut line);
            self.resume(record, turn);
        }
        // only now are all of them on the list of the living
        self.tasks.spawn(self.clone().call_turns(line));
        Ok(())
    }

    /// Goes on with one saga, in a task of its own: one bad log never stops the others. One that stands in
    /// the line of suspects waits for its turn.
    fn resume(
        self: &Arc<Self>,
        record: SagaRecord,
        turn: Option<oneshot::Receiver<ScheduledResume>>,
    ) {
        let Some(definition) = self.definitions.known(&record.fingerprint) else { return };
        let (id, input) = (record.id.clone(), (record.name.as_str(), &record.params));
        let entered = self.enter(&id, input, Some(record.status));
        let Admission::Admitted(_, task, mut control) = entered else { return };
        let inner = self.clone();
        self.tasks.spawn(async move {
            // an order does not wait in line
            let (watch, mut asked) = match select(pin!(comes(turn)), pin!(control.recv())).await {
                Either::Left((Some(watch), _)) => (watch, Vec::new()),
                Either::Right((Some(Control::Operate(asked)), _)) => (None, vec![asked]),
                _ => return task.fail(SagaError::ShutDown { saga: id }),
            };
            let load = inner.load(record, definition, task.track.clone(), LoadReason::Claimed);
            let mut loaded = while_listening(&mut control, |new| asked.push(new), load).await;
            if let (Some(watch), Ok(loaded)) = (watch, &mut loaded)
                && loaded.first == [Event::Recovered]
            {
                loaded.first.insert(0, Event::Watch(watch));
            }
            task.run_until_released(loaded, asked, control).await;
        });
    }

    /// The definition that a saga was started with, if this program has all that it takes.
    pub(super) fn definition_of(&self, record: &SagaRecord) -> Option<Definition<C>> {
        let known = self.definitions.known(&record.fingerprint);
        known.or_else(|| self.definitions.rebuild(&record.dag, &record.fingerprint))
    }

    pub(super) async fn load(
        &self,
        record: SagaRecord,
        definition: Definition<C>,
        track: Arc<ProgressChannel>,
        life: LoadReason,
    ) -> Result<Loaded<C>, SagaError> {
        let id = record.id.clone();
        let corrupt = |why: String| SagaError::Corrupt { saga: id.clone(), why };
        let mut closed = pin!(self.closed());
        let stored = match select(self.env.store.load(&id), &mut closed).await {
            Either::Left((stored, _)) => stored,
            Either::Right(_) => return Err(SagaError::ShutDown { saga: id }),
        };
        let stored = match stored {
            Ok(Some(stored)) => stored,
            Ok(None) => return Err(corrupt("it is no longer in the store".to_string())),
            Err(StoreError::Corrupt { seq, why, .. }) => {
                return Err(corrupt(crate::store::corrupt(seq, &why)));
            }
            Err(source @ StoreError::UnknownKey { .. }) => {
                let reason = source.to_string();
                return Err(self.park_unread(&record, reason).await);
            }
            Err(source) => return Err(SagaError::Store { saga: id, source }),
        };
        let plan = definition.dag.plan().clone();
        let config = Config { deadline: record.deadline, ..self.config };
        let machine = Machine::recover(plan, config, record.epoch, &stored.entries)
            .map_err(|e| corrupt(format!("its log is corrupt: {e}")))?;
        let values = self.values(&definition, &stored, machine.state());
        let run =
            RunInfo { id: id.clone(), run_key: record.run_key, cancel: CancelSignal::default() };
        if machine.state().cause().is_some() {
            run.cancel.set();
        }
        // one that an operator has just woken goes on, whatever it was parked for
        let first = match &stored.record {
            record if record.parked_reason.is_some() || record.status.is_ended() => None,
            record => values
                .unreadable()
                .filter(|_| !is_given_up(machine.state(), &stored.entries))
                .or_else(|| {
                    // what this process stopped itself is no crash
                    let limit = Some(self.crash_limit).filter(|_| life == LoadReason::Claimed)?;
                    crash_loop::crash_loop(record, &stored.entries, limit)
                })
                .or_else(|| values.recheck(machine.state())),
        };
        let first = first.map_or(Event::Recovered, |reason| Event::Park { reason });
        let driver = Driver {
            env: self.env.clone(),
            machine,
            values,
            run: Arc::new(run),
            epoch: record.epoch,
            new: None,
            track,
            lead: self.env.clock.lead(),
        };
        Ok(Loaded { driver, first: vec![first] })
    }

    /// Parks a saga whose log cannot be read, so no machine can. It waits for its key.
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

    /// The values of a stored saga; those that this program's types do not read are left out.
    pub(super) fn values(
        &self,
        definition: &Definition<C>,
        stored: &StoredSaga,
        state: &State,
    ) -> Values<C> {
        let dag = definition.dag.clone();
        let root = match (definition.decode_params)(&stored.record.params) {
            Ok(params) => dag.frame(params),
            Err(error) => dag.refused_frame(error),
        };
        let mut values = Values::new(dag, root, self.env.limits.max_width);
        values.load(state, &stored.entries);
        values
    }
}
