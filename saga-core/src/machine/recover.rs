//! Recovery: the machine of a saga whose log was written by another process, or earlier by this one.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::under_way::Work;
use super::vertex::UndoProgress;
use super::{Config, Corrupt, Machine, SagaState};
use crate::log::{Command, Entry, EntryKind, NodeEntry, SagaEntry, Won, since_migration};
use crate::plan::Plan;
use crate::planted::{Mistake, planted};

impl SagaState {
    /// The state that follows from a log.
    ///
    /// # Errors
    /// [`Corrupt`] if an entry cannot follow the ones before it.
    pub fn fold(plan: Arc<Plan>, log: &[Entry]) -> Result<Self, Corrupt> {
        let mut state = Self::new(plan);
        let (mut near, mut touched) = (0, Vec::new());
        let told = since_migration(log);
        if let Some(before) = log.len().checked_sub(told.len()).and_then(|at| log.get(..at)) {
            state.begin_migrated(before)?;
        }
        for entry in told {
            state.replay(entry, &mut near, &mut touched)?;
            // when the saga resumes, every vertex is decided about anew
            touched.clear();
        }
        Ok(state)
    }
}

impl SagaState {
    /// The part of a log that ends with a migration, which is about the nodes of an earlier version: of it remain the run key
    /// and what became of requests.
    fn begin_migrated(&mut self, log: &[Entry]) -> Result<(), Corrupt> {
        for entry in log {
            let seq = entry.seq;
            if seq != self.next_seq {
                return Err(Corrupt::Gap { expected: self.next_seq, found: seq });
            }
            if let Some(NodeEntry::Waited(Won { event: Some(seq), .. })) = entry.node_entry() {
                self.took_before(*seq);
            }
            if let Some(SagaEntry::Requested { command, .. }) = entry.saga_entry()
                && let Command::Signal { event, event_id, payload } = &**command
            {
                self.keep_event((event, event_id, payload), seq, &mut Vec::new());
            }
            match entry.saga_entry() {
                Some(created @ SagaEntry::Created { .. }) if self.run_key.is_none() => {
                    self.apply_saga_entry(created, &mut Vec::new())
                        .map_err(|why| Corrupt::Illegal { seq, why })?;
                    continue;
                }
                Some(SagaEntry::Requested { .. })
                    if planted(Mistake::GrantedAgainAfterMigration) => {}
                Some(SagaEntry::Requested { id, .. }) => self.remember_done(*id),
                Some(SagaEntry::Refused { id, why }) => self.refuse(*id, why),
                Some(SagaEntry::Migrated(migrated)) if self.run_key.is_some() => {
                    self.steps = migrated.steps;
                    self.migrated = Some(migrated.clone());
                }
                Some(entry @ (SagaEntry::Created { .. } | SagaEntry::Migrated(_))) => {
                    return Err(Corrupt::Illegal { seq, why: self.illegal(entry.name(), None) });
                }
                Some(
                    SagaEntry::Unwinding(_)
                    | SagaEntry::Paused
                    | SagaEntry::Resumed
                    | SagaEntry::Parked { .. }
                    | SagaEntry::Unparked
                    | SagaEntry::Suspected { .. }
                    | SagaEntry::Cleared
                    | SagaEntry::Injected { .. }
                    | SagaEntry::Ended(_),
                )
                | None => {}
            }
            self.next_seq += 1;
        }
        Ok(())
    }
}

impl Machine {
    /// A saga with this log, which resumes under a new epoch. Its first event is
    /// [`Event::Recovered`](super::Event::Recovered).
    ///
    /// # Errors
    /// [`Corrupt`] if an entry cannot follow the ones before it.
    pub fn recover(
        plan: Arc<Plan>,
        config: impl Into<Arc<Config>>,
        epoch: u64,
        log: &[Entry],
    ) -> Result<Self, Corrupt> {
        let mut machine = Self::with_state(SagaState::fold(plan, log)?, config.into(), epoch);
        if planted(Mistake::AttemptsForgotten) {
            machine.state.vertices.iter_mut().for_each(|x| x.attempts = 0);
        }
        machine.written_at = log.last().map_or(machine.written_at, |entry| entry.at);
        Ok(machine)
    }

    /// Takes calls that have no outcome in the log for calls in flight, and not for ones that were cut off: for somebody who
    /// looks at a saga that another process runs, which owns it under `epoch`. Only a call that was authorized under this epoch
    /// is in flight: one of an earlier owner ended with it, and a saga that was paused or parked when it was taken over has not
    /// been called again. Comes before [`Event::Recovered`](super::Event::Recovered).
    pub(crate) fn assume_calls(&mut self, epoch: u64, log: &[Entry]) {
        let mut of_owner = BTreeSet::new();
        for entry in since_migration(log).iter().filter(|entry| entry.epoch == epoch) {
            let EntryKind::Node {
                node, entry: NodeEntry::Started | NodeEntry::UndoStarted, ..
            } = &entry.kind
            else {
                continue;
            };
            of_owner.extend(self.state.resolve(node.as_str()));
        }
        for v in of_owner {
            let Some(x) = self.state.vertex(v) else { continue };
            let call = match (x.undo == UndoProgress::Started, x.progress.is_running()) {
                (true, _) => Work::Undo,
                (false, true) if x.details().reruns > 0 => Work::Rerun,
                (false, true) => Work::Action,
                (false, false) => continue,
            };
            self.under_way.set(v, call);
        }
    }
}
