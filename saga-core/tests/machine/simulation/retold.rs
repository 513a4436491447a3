//! What a migration tells about a saga, compared with what the log before it says.

use std::collections::BTreeSet;

use saga_core::dag::{Plan, PlanKind};
use saga_core::log::{Entry, NodeEntry};
use saga_core::machine::Config;

use super::expand::Expanded;
use super::law::Law;
use super::log_view::{Book, Chapter, Status};
use super::scopes::Unwound;
use super::versions::{Version, converted};
use super::world::split;

/// A migration that has happened.
pub(super) struct Retold<'a> {
    pub(super) before: &'a Book<'a>,
    pub(super) old: &'a Plan,
    pub(super) version: &'a Version,
}

/// What must be the same of a node in both versions.
fn stands(s: &Status) -> String {
    let how = match s.done {
        true => String::new(),
        false => {
            let tries = s.starts - s.from;
            format!("{tries} tries, {:?}, next {:?}", s.failure, s.retry_at)
        }
    };
    let Status {
        starts,
        generation,
        closed,
        open,
        doubt,
        done,
        skipped,
        scope_unwinds,
        undo,
        until,
        ..
    } = s;
    let key =
        format!("{scope_unwinds} until {until:?}, {starts} starts, key {generation} {closed:?}");
    format!("{key}, {open} {doubt} {done} {skipped} {undo:?} {how}")
}

impl Retold<'_> {
    /// The book of the new version, as far as it tells again what the old one has done.
    pub(super) fn book<'b>(
        &self,
        dag: &'b Expanded,
        config: &Config,
        chapter: &Chapter<'_>,
    ) -> Book<'b> {
        let told = &chapter.entries[..chapter.retold];
        let mut book = self.before.under(dag, config, &chapter.earlier);
        let unwound = Unwound::of(chapter.entries);
        let mut begun = BTreeSet::new();
        for entry in told {
            if matches!(
                entry.node_entry(),
                Some(NodeEntry::Started | NodeEntry::Chosen(_) | NodeEntry::Waiting { .. })
            ) && let Some(i) = book.index(entry)
            {
                Law::AncestorsFirst.holds(book.done_before(i), || format!("{entry:?}, told again"));
            }
            if let (Some(path), Some(NodeEntry::Started)) = (entry.node(), entry.node_entry()) {
                let first = begun.insert(path);
                // what was undone with its scope is told as it was
                let undone =
                    book.index(entry).is_some_and(|i| unwound.left_behind(dag, &dag.nodes[i]));
                Law::MigrationTellsTheLog
                    .holds(first || undone, || format!("{entry:?}, told twice"));
            }
            book.apply(entry);
        }
        self.compare(&book);
        self.outputs(told);
        book
    }

    fn compare(&self, book: &Book<'_>) {
        let before = self.before;
        let same = (before.paused, before.parked) == (book.paused, book.parked);
        let forward = !book.unwinding && book.ended.is_none() && book.open.is_empty();
        Law::MigrationTellsTheLog
            .holds(same && forward, || "a pause, or what it is parked for".into());
        for (node, now) in book.dag.nodes.iter().zip(&book.status) {
            // the exits of nodes that hold others say nothing
            if !node.has_entry && node.policy.is_none() {
                continue;
            }
            let (name, within) = split(&node.path);
            let new = self.version.plan.find(name).expect("a node of the new version");
            let was = self.version.was(new).map(|old| &self.old.nodes()[old as usize]);
            let is_value = was.is_some_and(|was| was.kind == PlanKind::Value);
            let was = was.map(|was| format!("{}{within}", was.name));
            let was = was.and_then(|was| before.dag.by_path.get(&was));
            let was = was.map_or_else(Status::default, |was| before.status[*was].clone());
            let (was, now) = (stands(&was), stands(now));
            // a value is computed anew unless a call has been made with it
            let anew = is_value && !self.is_needed(book, &node.path);
            let expected = if anew { stands(&Status::default()) } else { was };
            Law::MigrationTellsTheLog
                .holds(now == expected, || format!("{}: {now}, not {expected}", node.path));
        }
    }

    /// True if a node that has begun waits for this one.
    fn is_needed(&self, book: &Book<'_>, path: &str) -> bool {
        let after = book.dag.descendants(book.dag.by_path[path]);
        let begun = |i: &usize| {
            let s = &book.status[*i];
            let value = book.dag.nodes[*i].policy.is_none();
            let ended = s.done || s.failure.is_some();
            s.starts > 0
                || s.skipped
                || book.waits.contains(i)
                || ended && !(value && self.is_value(*i, book))
        };
        after.iter().any(begun)
    }

    fn is_value(&self, i: usize, book: &Book<'_>) -> bool {
        let (name, within) = split(&book.dag.nodes[i].path);
        let node =
            self.version.plan.find(name).map(|node| &self.version.plan.nodes()[node as usize]);
        within.is_empty() && node.is_some_and(|node| node.kind == PlanKind::Value)
    }

    /// The outputs of the nodes of the outermost DAG are the converted ones, and others are as they were.
    fn outputs(&self, told: &[Entry]) {
        for entry in told {
            let (Some(path), Some(NodeEntry::Succeeded(output))) =
                (entry.node(), entry.node_entry())
            else {
                continue;
            };
            let (name, within) = split(path.as_str());
            let new = self.version.plan.find(name).expect("a node");
            let old = self.version.was(new).map(|old| &self.old.nodes()[old as usize].name);
            let before = old.and_then(|old| self.before.outputs.get(&format!("{old}{within}")));
            let expected = match (before, within) {
                (Some(output), "") => Some(converted(output)),
                (output, _) => output.cloned(),
            };
            Law::MigrationTellsTheLog.holds(expected.as_ref() == Some(output), || {
                format!("{output:?} of {path}, not {expected:?}")
            });
        }
    }
}
