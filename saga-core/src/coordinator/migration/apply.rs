//! Migrating one saga, which this process owns and does not run yet.

use super::CheckedMigration;
use crate::coordinator::CoordinatorInner;
use crate::coordinator::definitions::Definition;
use crate::crash_points::crash_point;
use crate::driver::Values;
use crate::limits::Limits;
use crate::log::{Entry, EntryKind, Payload, SagaEntry};
use crate::machine::{Ineligible, Mapping, SagaState};
#[cfg(feature = "testing")]
use crate::store::SagaRecord;
use crate::store::{Append, NewDefinition, RecordChange, StoreError, StoredSaga};

/// What a saga has under the new version.
pub(super) struct Migrated {
    definition: NewDefinition,
    /// `migrated`, and what its nodes have done.
    entries: Vec<Entry>,
}

/// A saga that is about to run.
pub(in crate::coordinator) struct ToRun {
    pub(in crate::coordinator) stored: StoredSaga,
    pub(in crate::coordinator) definition: Definition,
    /// True if its version must first find out how calls have ended that are in doubt.
    pub(in crate::coordinator) settles: bool,
}

impl CheckedMigration {
    /// The parameters under the new version.
    ///
    /// # Errors
    /// Why they cannot be converted.
    pub(in crate::coordinator) fn params(&self, params: &Payload) -> Result<Payload, String> {
        (self.params)(params)
    }

    /// What a stored saga would have under the new version. Pure: nothing is written.
    ///
    /// # Errors
    /// Why it keeps its version.
    pub(super) fn plan(
        &self,
        stored: &StoredSaga,
        old: &Definition,
        limits: &Limits,
    ) -> Result<Migrated, Ineligible> {
        let (record, log) = (&stored.record, &stored.entries);
        let unreadable = |why: String| Ineligible::Unreadable { why };
        let state = SagaState::fold(old.dag.plan().clone(), log)
            .map_err(|error| unreadable(format!("its log is corrupt: {error}")))?;
        let (then, now) = (&old.dag, &self.new.dag);
        let small_enough = |value: Payload| match value.len() {
            size if size > limits.max_payload => Err(format!(
                "{size} bytes are more than the limit of {}; raise `Limits::max_payload`",
                limits.max_payload
            )),
            _ => Ok(value),
        };
        let convert = |node: u32, output: &_| match self.outputs.get(node as usize) {
            Some(Some(convert)) => convert(output).and_then(small_enough),
            Some(None) | None => Ok(output.clone()),
        };
        let mapping = Mapping {
            plan: now.plan(),
            fates: &self.fates,
            versions: (then.version(), now.version(), then.fingerprint()),
            convert: &convert,
        };
        let kinds = state.migrate(log, &mapping)?;
        let params = self
            .params(&record.params)
            .and_then(small_enough)
            .map_err(|why| Ineligible::NotConverted { what: "the parameters".to_string(), why })?;
        let definition = NewDefinition {
            fingerprint: now.shared_fingerprint().clone(),
            params,
            dag: now.shared_json().clone(),
        };
        let migrated = Migrated { definition, entries: entries(stored, kinds) };
        self.check(&migrated, (&state, stored, old), &mapping, limits.max_width)?;
        Ok(migrated)
    }

    /// What would be written can be read under the new version: its log, and all values. What the saga has done is undone with the
    /// inputs that it was done with.
    fn check(
        &self,
        migrated: &Migrated,
        (before, stored, old): (&SagaState, &StoredSaga, &Definition),
        mapping: &Mapping<'_>,
        max_width: usize,
    ) -> Result<(), Ineligible> {
        let log = stored.entries.iter().chain(&migrated.entries).cloned().collect::<Vec<_>>();
        let state = SagaState::fold(self.new.dag.plan().clone(), &log).map_err(|error| {
            let why = format!("what it has done cannot be told as the new version's: {error}");
            Ineligible::Unreadable { why }
        })?;
        let root = self.new.root(&migrated.definition.params);
        let values = Values::of_log(self.new.dag.clone(), root, max_width, &state, &log);
        if let Some(first) = values.unreadable().next() {
            return Err(Ineligible::Unreadable { why: first.to_string() });
        }
        // or it would be parked as soon as it goes on
        if let Some(why) = values.recheck(&state) {
            return Err(Ineligible::DecidesOtherwise { why });
        }
        let root = old.root(&stored.record.params);
        let then = Values::of_log(old.dag.clone(), root, max_width, before, &stored.entries);
        for (v, node, path) in before.undone_under(mapping) {
            let Some(now) = state.resolve(path.as_str()) else { continue };
            let is_accepted = self.accepted.contains(&node);
            let differs = || values.undo_differs((&state, now), (&then, before, v));
            if !is_accepted && let Some(why) = differs() {
                let (node, why) = (before.path(v), why.to_string());
                return Err(Ineligible::UndoDiffers { node, why });
            }
        }
        Ok(())
    }
}

#[cfg(feature = "testing")]
impl Migrated {
    /// The saga with what this has.
    pub(super) fn applied_to(self, mut saga: StoredSaga) -> StoredSaga {
        let NewDefinition { fingerprint, params, dag } = self.definition;
        let next_seq = saga.record.next_seq + self.entries.len() as u64;
        saga.record = SagaRecord { fingerprint, params, dag, next_seq, ..saga.record };
        saga.entries.extend(self.entries);
        saga
    }
}

fn entries(stored: &StoredSaga, kinds: Vec<EntryKind>) -> Vec<Entry> {
    let record = &stored.record;
    let entry = |(seq, kind)| Entry { seq, epoch: record.epoch, at: record.updated_at, kind };
    (record.next_seq..).zip(kinds).map(entry).collect()
}

impl CoordinatorInner {
    /// Migrates a saga that this process owns, as far as there are migrations for its version and it is eligible.
    ///
    /// # Errors
    /// The store's; then the saga is as it was, or is migrated.
    pub(in crate::coordinator) async fn migrated(
        &self,
        mut stored: StoredSaga,
        mut definition: Definition,
        epoch: u64,
    ) -> Result<ToRun, StoreError> {
        let mut settles = false;
        while let Some(migration) = self.definitions.migration(definition.dag.fingerprint()) {
            let id = stored.record.id.clone();
            let (from, to) = (definition.dag.version(), migration.new.dag.version());
            stored.record.epoch = epoch;
            let planned = migration.plan(&stored, &definition, &self.env.limits);
            let Migrated { definition: new, mut entries } = match planned {
                Ok(migrated) => migrated,
                Err(why) => {
                    settles = why.may_pass();
                    tracing::debug!(
                        target: "saga_core", %id, from, to, %why, "a saga is not migrated"
                    );
                    break;
                }
            };
            let at = self.env.clock.now().max(stored.record.updated_at);
            entries.iter_mut().for_each(|entry| entry.at = at);
            let parked = entries.iter().rev().find_map(|entry| {
                let Some(SagaEntry::Parked { reason }) = entry.saga_entry() else { return None };
                Some(reason.clone())
            });
            let change = RecordChange {
                wake_at: stored.record.wake_at,
                parked_reason: parked.map(Some),
                definition: Some(Box::new(new)),
                ..RecordChange::status(stored.record.status)
            };
            let append = Append {
                saga: id.clone(),
                owner: self.env.worker.clone(),
                epoch,
                expected_next_seq: stored.record.next_seq,
                entries,
                change,
                answers: Vec::new(),
            };
            self.append_migrated(&mut stored, append).await?;
            definition = migration.new.clone();
        }
        Ok(ToRun { stored, definition, settles })
    }

    async fn append_migrated(
        &self,
        stored: &mut StoredSaga,
        append: Append,
    ) -> Result<(), StoreError> {
        crash_point("driver.migrate.asking");
        self.env.store.append(append.clone()).await?;
        crash_point("driver.migrate.durable");
        append.apply_to(&mut stored.record)?;
        let record = &stored.record;
        if let Some(migrated) = append.entries.first() {
            // what follows it has been told before
            self.env.observers.tell(&record.id, &record.name, migrated, record.status);
        }
        stored.entries.extend(append.entries);
        Ok(())
    }
}
