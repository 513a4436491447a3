//! Migrations: a saga leaves its version only where it may, each node stands where it stood, and what the new version does not
//! have stays as it is. The machine's own simulation says the same in more detail, also of what may not be migrated.

use std::collections::{BTreeMap, BTreeSet};

use saga_core::action::UndoContract;
use saga_core::log::{Entry, NodeEntry, SagaEntry, since_migration};
use serde_json::Value;

use super::log_view::{Book, Chapter as Part, chapters};
use super::{Broken, Case, Chapter, Holds, holds};
use crate::sagas::{Fate, Version, converted, split};

impl Case<'_> {
    /// The book of the new version, as far as it tells again what the old one has done.
    pub(super) fn migrated<'b>(
        &'b self,
        before: &Book<'_>,
        old: &Chapter<'_>,
        new: &Chapter<'_>,
        part: &Part<'_>,
    ) -> Result<Book<'b>, Broken> {
        self.may_leave(before, old.version)?;
        let dag = &self.dags[new.version - self.saga.first];
        let mut book = before.under(dag, &self.config, &part.earlier);
        for entry in &part.entries[..part.retold] {
            let begins = matches!(
                entry.node_entry(),
                Some(NodeEntry::Started | NodeEntry::Chosen(_) | NodeEntry::Skipped)
            );
            if begins && let Some(i) = entry.node().map(|node| book.dag.by_path[node.as_str()]) {
                let ready = || format!("{entry:?}, told again: its predecessors are not done");
                holds("migrated", book.done_before(i), ready)?;
            }
            book.apply(entry);
        }
        let same = (before.paused, before.parked) == (book.paused, book.parked);
        holds("migrated", same, || "it is paused, or parked, in one of the versions only".into())?;
        self.stands(before, &book, new.version)?;
        self.converts(old, new)?;
        Ok(book)
    }

    /// The saga is where it may leave its version.
    fn may_leave(&self, book: &Book<'_>, version: Version) -> Holds {
        let legal = |is: bool, why: &str| {
            holds("migrated", is, || format!("from version {version}: {why}"))
        };
        legal(book.ended.is_none(), "it has ended")?;
        legal(!book.unwinding, "it unwinds")?;
        legal(!book.past() && !book.busy(), "its pivot has succeeded, or may have")?;
        legal(book.open.is_empty(), "a request is held")?;
        let in_doubt = book.dag.nodes.iter().zip(&book.status);
        let in_doubt = in_doubt.filter(|(_, s)| !s.done && (s.open || s.doubt));
        let in_doubt = in_doubt.map(|(node, _)| &node.path).collect::<Vec<_>>();
        legal(in_doubt.is_empty(), &format!("{in_doubt:?} are in doubt"))?;
        let begun = self.begun(version);
        for (name, fate) in self.saga.versions.changes(version) {
            let may_have_begun = match fate {
                Fate::Becomes { same_parts, .. } => *same_parts,
                Fate::Dropped => false,
                Fate::EffectKept | Fate::Forgotten => true,
            };
            legal(may_have_begun || !begun.contains(name.as_str()), &format!("{name} has begun"))?;
        }
        Ok(())
    }

    /// The nodes of the outermost DAG that the log is about in this version.
    fn begun(&self, version: Version) -> BTreeSet<&str> {
        let part = &chapters(self.log)[version - self.saga.first];
        let nodes = part.entries.iter().filter_map(Entry::node);
        nodes.map(|path| split(path.as_str()).0).collect()
    }

    /// Each action is where it was, and new ones have not begun.
    fn stands(&self, before: &Book<'_>, book: &Book<'_>, version: Version) -> Holds {
        let versions = self.saga.versions;
        for (node, now) in book.dag.nodes.iter().zip(&book.status) {
            if node.policy.is_none() {
                continue;
            }
            let (name, within) = split(&node.path);
            let was = versions.was(version, name).map(|(was, _)| format!("{was}{within}"));
            let was = was.and_then(|was| before.dag.by_path.get(&was)).map(|i| &before.status[*i]);
            let stood = was.map_or((false, 0, false), |s| (s.done, s.starts, s.skipped));
            let stands = (now.done, now.starts, now.skipped);
            holds("migrated", stands == stood, || {
                format!("{}: it stood at {stood:?}, and stands at {stands:?}", node.path)
            })?;
        }
        Ok(())
    }

    /// The outputs are those of the old version, converted.
    fn converts(&self, old: &Chapter<'_>, new: &Chapter<'_>) -> Holds {
        for (path, output) in &new.outputs {
            let (name, within) = split(path);
            let was = self.saga.versions.was(new.version, name);
            let before = was.and_then(|(was, _)| old.outputs.get(&format!("{was}{within}")));
            let adds = match was {
                Some((_, Fate::Becomes { adds, .. })) if within.is_empty() => *adds,
                Some(_) | None => None,
            };
            let expected = match adds {
                Some(adds) => before.and_then(|output| converted(output, adds)),
                None => before.cloned(),
            };
            let is = expected.as_ref() == Some::<&Value>(output);
            holds("migrated", is, || format!("{path} gave {before:?}, and now {output}"))?;
        }
        Ok(())
    }

    /// What a migration has left behind is as it was: listed if it has an undo, and never undone. What it has dropped without a
    /// trace was never called.
    pub(super) fn left_behind(&self) -> Holds {
        let mut kept = BTreeMap::new();
        for (number, dag) in self.dags.iter().enumerate().take(self.dags.len() - 1) {
            let version = self.saga.first + number;
            let changes = self.saga.versions.changes(version);
            let part = &chapters(self.log)[number];
            let mut book = Book::new(dag, &self.config);
            part.entries.iter().for_each(|entry| book.apply(entry));
            for (i, node) in dag.nodes.iter().enumerate() {
                let (Some(policy), (name, _)) = (node.policy, split(&node.path)) else { continue };
                let called = self.keys(version, &node.path).next().is_some();
                let receiver = self.receiver(version, &node.path).unwrap_or_default();
                let about = |what: &str| format!("{}, version {version}: {what}", node.path);
                match &changes[name] {
                    Fate::Dropped => {
                        holds("migrated", !called, || about("it was called, and dropped"))?;
                    }
                    Fate::EffectKept | Fate::Forgotten => {
                        let undone = receiver.undos > 0;
                        holds("migrated", !undone, || about("it is left behind, and undone"))?;
                        let there =
                            !book.status[i].done || book.status[i].skipped || receiver.effects == 1;
                        holds("migrated", there, || about("its effect is gone"))?;
                        if policy.undo != UndoContract::None && !book.needs_nothing(i) {
                            *kept.entry(node.path.clone()).or_insert(0) += 1;
                        }
                    }
                    Fate::Becomes { .. } => {}
                }
            }
        }
        let at = self.log.len() - since_migration(self.log).len();
        let Some(SagaEntry::Migrated(last)) =
            at.checked_sub(1).and_then(|at| self.log[at].saga_entry())
        else {
            return Ok(());
        };
        let mut listed = BTreeMap::new();
        last.kept.iter().for_each(|node| *listed.entry(node.to_string()).or_insert(0) += 1);
        holds("migrated", listed == kept, || format!("{listed:?} are listed as kept, not {kept:?}"))
    }
}
