//! What became of migrations in a run, to be counted: which sagas were migrated and when, and which keep their version.

use std::collections::BTreeMap;

use saga_core::log::{Entry, SagaEntry};
use saga_core::{Ineligible, MigrationOutlook, SagaId};

use super::stage::Stage;
use crate::store::Written;
use crate::trace::Trace;

/// Counts what somebody finds out who looks before anything is written.
pub(super) fn count(outlooks: &[MigrationOutlook], trace: &Trace) {
    for outlook in outlooks {
        outlook.eligible.iter().for_each(|_| trace.count("outlook: eligible"));
        outlook.settling.iter().for_each(|(_, why)| trace.count(reason(why)));
        outlook.staying.iter().for_each(|(_, why)| trace.count(reason(why)));
    }
}

fn reason(why: &Ineligible) -> &'static str {
    match why {
        Ineligible::Ended => "outlook: ended",
        Ineligible::RollingBack => "outlook: rolling back",
        Ineligible::PastPivot { .. } => "outlook: past its pivot",
        Ineligible::InDoubt { .. } => "outlook: in doubt",
        Ineligible::RequestHeld => "outlook: a request is held",
        Ineligible::TriedAgain { .. } => "outlook: tried again",
        Ineligible::NodeDropped { .. } => "outlook: a node is dropped",
        Ineligible::PartsChanged { .. } => "outlook: parts have changed",
        Ineligible::WaitsForOther { .. } => "outlook: waits for another node",
        Ineligible::BecomesPivot { .. } => "outlook: becomes the pivot",
        Ineligible::NotConverted { .. } => "outlook: not converted",
        Ineligible::DecidesOtherwise { .. } => "outlook: decides otherwise",
        Ineligible::Unreadable { .. } => "outlook: unreadable",
        _ => "outlook: another reason",
    }
}

impl Stage {
    /// Counts, from what was written, what became of each saga that a process ran which knows a later version.
    pub(super) fn count_migrations(&self) {
        let mut runs = BTreeMap::<(&SagaId, u64), Vec<&Written>>::new();
        let written = self.medium.written();
        for write in &written {
            runs.entry((&write.saga, write.epoch)).or_default().push(write);
        }
        let mut before = None;
        for ((id, _), writes) in runs {
            let Some(planned) = self.sagas.iter().find(|planned| planned.id == *id) else {
                continue;
            };
            let Some(first) = writes.first() else { continue };
            let run = Some((id, first.process));
            let goes_on = std::mem::replace(&mut before, run) == run;
            let known = self.deployed(first.process).min(planned.versions.count());
            let version = self.medium.version_at(id, first.first_seq - 1, &planned.versions);
            let migrated = writes.iter().position(|write| is_migration(write));
            match (version, migrated) {
                // it begins
                (None, _) => {}
                // the process that has found out what was in doubt takes it up again
                (Some(_), Some(_)) if goes_on => {
                    self.trace.count("a saga is migrated once it has settled");
                }
                (Some(_), Some(_)) => self.trace.count("a saga is migrated when it is taken up"),
                (Some(version), None) if version + 1 < known => {
                    self.trace.count("a saga keeps its version");
                }
                (Some(version), None) if version + 1 > known => {
                    self.trace
                        .count("a saga goes on in a process that has no migration to its version");
                }
                (Some(_), None) => {}
            }
        }
    }
}

fn is_migration(write: &Written) -> bool {
    let migrated = |entry: &Entry| matches!(entry.saga_entry(), Some(SagaEntry::Migrated(_)));
    write.entries.first().is_some_and(migrated)
}
