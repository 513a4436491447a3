//! Whether a saga fits another version, read off its log alone.

use std::collections::{BTreeMap, BTreeSet};

use saga_core::action::UndoContract;
use saga_core::dag::{Plan, PlanKind};
use saga_core::log::{Entry, since_migration};
use saga_core::machine::{Fate, Ineligible};

use super::law::Law;
use super::log_view::{Book, Status};
use super::versions::Version;
use super::world::split;

/// A saga that might be migrated.
pub(super) struct Eligibility<'a> {
    pub(super) book: &'a Book<'a>,
    pub(super) log: &'a [Entry],
    pub(super) old: &'a Plan,
    pub(super) version: &'a Version,
}

impl Eligibility<'_> {
    /// The names of the outermost DAG's nodes that the log is about.
    fn begun(&self) -> BTreeSet<&str> {
        let nodes = since_migration(self.log).iter().filter_map(Entry::node);
        nodes.map(|path| split(path.as_str()).0).collect()
    }

    fn name(&self, old: u32) -> &str {
        self.old.nodes()[old as usize].name.as_str()
    }

    fn of_node(&self, old: u32) -> impl Iterator<Item = usize> {
        let name = self.name(old);
        let of_node = move |i: &usize| split(&self.book.dag.nodes[*i].path).0 == name;
        (0..self.book.status.len()).filter(of_node)
    }

    /// True if the node, and everything that it holds, has what it needs.
    fn is_done(&self, old: u32) -> bool {
        self.of_node(old).all(|i| self.book.is_over(i))
    }

    /// The nodes of the old version whose past the new version takes over, by node of the new version.
    fn carried(&self) -> BTreeMap<u32, u32> {
        let begun = self.begun();
        let plan = &self.version.plan;
        let mut carried = BTreeMap::new();
        for (old, fate) in (0..).zip(&self.version.fates) {
            if let Fate::Becomes { node, .. } = fate
                && begun.contains(self.name(old))
                && plan.nodes()[*node as usize].kind != PlanKind::Value
            {
                carried.insert(*node, old);
            }
        }
        let needed = carried.keys().flat_map(|node| ancestors(plan, *node)).collect::<Vec<_>>();
        let values =
            needed.into_iter().filter(|n| plan.nodes()[*n as usize].kind == PlanKind::Value);
        let values = values.filter_map(|node| Some((node, self.version.was(node)?)));
        carried.extend(values.filter(|(_, old)| self.is_done(*old)).collect::<Vec<_>>());
        carried
    }

    /// What keeps the saga from being migrated, without the direction that it goes.
    fn misfits(&self) -> Vec<Ineligible> {
        let begun = self.begun();
        let (mut found, plan) = (Vec::new(), &self.version.plan);
        for (old, fate) in (0..).zip(&self.version.fates) {
            let node = || self.name(old).into();
            match fate {
                _ if !begun.contains(self.name(old)) => {}
                Fate::Becomes { node: new, .. }
                    if is_wait(plan, *new)
                        && plan.nodes()[*new as usize].kind
                            != self.old.nodes()[old as usize].kind =>
                {
                    found.push(Ineligible::WaitChanged { node: node() });
                }
                Fate::Dropped => found.push(Ineligible::NodeDropped { node: node() }),
                Fate::Becomes { same_parts: false, .. } => {
                    found.push(Ineligible::PartsChanged { node: node() });
                }
                Fate::Becomes { node: new, .. }
                    if plan.pivot() == Some(*new) && self.old.pivot() != Some(old) =>
                {
                    found.push(Ineligible::BecomesPivot { node: node() });
                }
                Fate::Becomes { .. } | Fate::EffectKept | Fate::Forgotten => {}
            }
        }
        let carried = self.carried();
        let name = |new: u32| plan.nodes()[new as usize].name.to_string();
        for begun in carried.keys() {
            for before in ancestors(plan, *begun) {
                if !carried.get(&before).is_some_and(|old| self.is_done(*old)) {
                    let (node, begun) = (name(before).into(), name(*begun).into());
                    found.push(Ineligible::WaitsForOther { node, begun });
                }
            }
        }
        for old in carried.values() {
            let (path, kind) = (self.name(*old), &self.old.nodes()[*old as usize].kind);
            let stored = matches!(kind, PlanKind::Action(_) | PlanKind::Value);
            let succeeded = stored
                && self.is_done(*old)
                && !self.book.status[self.book.dag.by_path[path]].skipped;
            if succeeded && self.version.unconvertible.contains(old) {
                let what = format!("the output of node `{path}`");
                found.push(Ineligible::NotConverted { what, why: "it is of another time".into() });
            }
        }
        found
    }

    fn in_doubt(&self) -> BTreeSet<&str> {
        let nodes = (0..).zip(&self.book.status);
        let in_doubt = nodes.filter(|(_, status)| !status.done && (status.open || status.doubt));
        let in_doubt = in_doubt.filter(|(i, _)| !self.book.left_behind(*i));
        in_doubt.map(|(i, _)| self.book.dag.nodes[i].path.as_str()).collect()
    }

    /// The `try`s whose scope unwinds.
    fn scopes(&self) -> BTreeSet<&str> {
        let book = self.book;
        let unwinds = |i: &usize| book.status[*i].scope_unwinds && !book.status[*i].done;
        let scopes = (0..book.status.len()).filter(unwinds).filter(|i| !book.goes_back(*i));
        scopes.map(|i| book.dag.nodes[i].path.as_str()).collect()
    }

    /// What an operator has told to be tried again, with all of its tries, and has not begun again.
    fn tried_again(&self) -> BTreeSet<&str> {
        let nodes = self.book.dag.nodes.iter().zip(&self.book.status);
        // one that was cut off, asked, and did not take effect, is run again anyway
        let known = |s: &Status| s.done || s.open || s.doubt || s.closed == Some(true);
        let again = nodes.filter(|(_, s)| s.starts > 0 && !known(s) && s.failure.is_none());
        again.map(|(node, _)| node.path.as_str()).collect()
    }

    /// The reason why the saga is not migrated is true.
    pub(super) fn is_true(&self, why: &Ineligible) {
        let book = self.book;
        let pivot = || book.dag.pivot.map(|pivot| book.dag.nodes[pivot].path.as_str());
        let holds = match why {
            Ineligible::Ended => book.ended.is_some(),
            Ineligible::RollingBack => book.unwinding,
            Ineligible::PastPivot { pivot: of } => book.past() && pivot() == Some(of.as_str()),
            Ineligible::InDoubt { node } => self.in_doubt().contains(node.as_str()),
            Ineligible::ScopeUnwinds { node } => self.scopes().contains(node.as_str()),
            Ineligible::RequestHeld => !book.open.is_empty(),
            Ineligible::TriedAgain { node } => self.tried_again().contains(node.as_str()),
            other => self.misfits().contains(other),
        };
        Law::NotMigratedForAReason.holds(holds, || format!("{why}: {:#?}", self.log));
    }

    /// Nothing keeps the saga from being migrated.
    pub(super) fn holds(&self) {
        let book = self.book;
        let forward = book.ended.is_none() && !book.unwinding && !book.past();
        let known = self.in_doubt().is_empty() && book.open.is_empty();
        let known = known && self.tried_again().is_empty() && self.scopes().is_empty();
        Law::MigratedAtRest
            .holds(forward && known, || format!("{:?}: {:#?}", self.in_doubt(), self.log));
        let misfits = self.misfits();
        Law::MigratedIfItFits.holds(misfits.is_empty(), || format!("{misfits:?}: {:#?}", self.log));
    }

    /// The nodes whose effects remain because nobody undoes them any more, and whether they must be there.
    pub(super) fn kept(&self) -> BTreeMap<String, bool> {
        let (mut kept, begun) = (BTreeMap::new(), self.begun());
        for (old, fate) in (0..).zip(&self.version.fates) {
            if *fate != Fate::EffectKept || !begun.contains(self.name(old)) {
                continue;
            }
            for i in self.of_node(old) {
                let node = &self.book.dag.nodes[i];
                let undo = node.policy.is_some_and(|policy| policy.undo != UndoContract::None);
                if undo && !self.book.needs_nothing(i) {
                    kept.insert(node.path.clone(), self.book.status[i].done);
                }
            }
        }
        kept
    }
}

fn is_wait(plan: &Plan, node: u32) -> bool {
    matches!(plan.nodes()[node as usize].kind, PlanKind::Wait(_))
}

/// Everything that a node waits for, directly or not.
fn ancestors(plan: &Plan, node: u32) -> BTreeSet<u32> {
    let (mut found, mut open) = (BTreeSet::new(), vec![node]);
    while let Some(node) = open.pop() {
        let at = plan.gate_of(node).unwrap_or(node);
        open.extend(plan.preds(at).iter().filter(|before| found.insert(**before)));
    }
    found
}
