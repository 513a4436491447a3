//! What a saga has done, in the words of another version.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::{Fate, Ineligible, Mapping, Told, split};
use crate::log::{
    Entry, EntryKind, NodeEntry, NodePath, Payload, SagaEntry, TryFailure, since_migration,
};
use crate::machine::state::SagaState;
use crate::names::NodeIndex;
use crate::plan::Plan;

/// What the log says last about a node.
#[derive(Default)]
struct Last<'a> {
    output: Option<&'a Payload>,
    /// True once its output has been told.
    is_told: bool,
    /// Where its last attempt began or failed. An operator may have decided that it failed after it had.
    from: usize,
    /// Where its last attempt began.
    began: usize,
    /// Where its undo began again after it had failed for good, and how many attempts it had had. An operator's request for that is
    /// not told again, so what came before it is not, either.
    undo_again: (usize, u32),
    /// How many attempts its undo had when it failed for good.
    undo_failed: Option<u32>,
    /// True if it was asked since then, and did not take effect. How the attempt ended is told then.
    not_done: bool,
    /// Which attempt was the last one.
    attempt: u32,
}

impl SagaState {
    /// Tells what a node has done as what the node did that it becomes: of each node the last attempt, at the place of the first
    /// one, which is the place that it has when undos go back. Of a node that has its output only the last one is told: an
    /// operator may have replaced it. What was undone with its scope is told as it was, but of an undo
    /// that an operator had repeated only the last time.
    pub(super) fn retell(
        &self,
        old: u32,
        new: u32,
        told: &[Told<'_>],
        to: &Mapping<'_>,
        entries: &mut Vec<EntryKind>,
    ) -> Result<(), Ineligible> {
        let (Some(told), Some(name)) = (told.get(old as usize), to.plan.nodes().get(new as usize))
        else {
            return Ok(());
        };
        let mut last = BTreeMap::<_, Last<'_>>::new();
        for (i, entry) in told.entries.iter().enumerate() {
            let EntryKind::Node { node, attempt, entry } = &entry.kind else { continue };
            let last = last.entry(node).or_default();
            if entry.output().is_some() {
                last.output = entry.output();
            }
            if *entry == NodeEntry::Started {
                (last.from, last.began, last.attempt) = (i, i, *attempt);
                last.not_done = false;
            }
            if let NodeEntry::UndoFailed(_) = entry {
                last.undo_failed = Some(*attempt);
            }
            if let (NodeEntry::UndoStarted, Some(failed)) = (entry, last.undo_failed) {
                last.undo_again = (i, failed);
                last.undo_failed = None;
            }
            last.not_done |= *entry == NodeEntry::NotDone;
            if let NodeEntry::Failed(_) = entry {
                last.from = i;
            }
        }
        let mut begun = BTreeSet::new();
        for (i, entry) in told.entries.iter().enumerate() {
            let EntryKind::Node { node: path, attempt, entry } = &entry.kind else { continue };
            let Some(last) = last.get_mut(path) else { continue };
            let (_, within) = split(path.as_str());
            let vertex = self.resolve(path.as_str());
            let is_done = last.output.is_some() || vertex.is_some_and(|v| self.has_completed(v));
            let is_over = i < if last.not_done { last.began } else { last.from };
            let left_behind = vertex.is_some_and(|v| self.is_left_behind(v));
            let (entry, attempt) = match entry {
                NodeEntry::Started
                | NodeEntry::Failed(_)
                | NodeEntry::InDoubt(_)
                | NodeEntry::NotDone
                | NodeEntry::RetryScheduled { .. }
                    if left_behind =>
                {
                    (entry.clone(), *attempt)
                }
                NodeEntry::Started if begun.insert(path) => (entry.clone(), last.attempt),
                NodeEntry::Started => continue,
                NodeEntry::Succeeded(_) => {
                    let Some(output) = last.output.filter(|_| !last.is_told) else { continue };
                    last.is_told = true;
                    let output = match within {
                        "" => {
                            (to.convert)(old, output).map_err(|why| Ineligible::NotConverted {
                                what: format!("the output of node `{path}`"),
                                why,
                            })?
                        }
                        _ => output.clone(),
                    };
                    (NodeEntry::Succeeded(output), *attempt)
                }
                NodeEntry::Chosen(_) | NodeEntry::Skipped => (entry.clone(), *attempt),
                NodeEntry::ScopeUnwinding(why) => {
                    let (_, inside) = split(why.node.as_str());
                    let node = NodePath::from(format!("{}{inside}", name.name));
                    let failure = why.failure.clone();
                    (NodeEntry::ScopeUnwinding(TryFailure { node, failure }.into()), *attempt)
                }
                // how it came to its output does not matter any more; and no node is in doubt, whatever it was before
                NodeEntry::Failed(_)
                | NodeEntry::InDoubt(_)
                | NodeEntry::NotDone
                | NodeEntry::RetryScheduled { .. }
                    if is_done || is_over =>
                {
                    continue;
                }
                // it is known by now; and in the new version the action may be one that is never in doubt
                NodeEntry::InDoubt(failure) if last.not_done => {
                    (NodeEntry::Failed(failure.clone()), *attempt)
                }
                NodeEntry::InDoubt(_) => continue,
                NodeEntry::UndoStarted
                | NodeEntry::UndoFailed(_)
                | NodeEntry::UndoRetryScheduled { .. }
                    if i < last.undo_again.0 =>
                {
                    continue;
                }
                NodeEntry::UndoStarted
                | NodeEntry::UndoFinished
                | NodeEntry::UndoFailed(_)
                | NodeEntry::UndoRetryScheduled { .. } => {
                    (entry.clone(), attempt.saturating_sub(last.undo_again.1))
                }
                NodeEntry::Failed(_)
                | NodeEntry::NotDone
                | NodeEntry::RetryScheduled { .. }
                | NodeEntry::Resolved(_)
                | NodeEntry::Waiting { .. }
                | NodeEntry::Waited(_) => (entry.clone(), *attempt),
            };
            entries.push(entry.about(format!("{}{within}", name.name), attempt));
        }
        Ok(())
    }

    /// Tells what concerns the saga as a whole and outlives the version.
    pub(super) fn retell_saga(
        &self,
        log: &[Entry],
        to: &Mapping<'_>,
        entries: &mut Vec<EntryKind>,
    ) {
        for entry in since_migration(log) {
            if let Some(SagaEntry::Injected { at, fault }) = entry.saga_entry() {
                let (name, within) = split(at.as_str());
                let old = self.outermost_plan().and_then(|plan| plan.find(name));
                let fate = old.and_then(|old| to.fates.get(old as usize));
                if let Some(Fate::Becomes { node, .. }) = fate
                    && let Some(node) = to.plan.nodes().get(*node as usize)
                {
                    let at = NodePath::from(format!("{}{within}", node.name));
                    entries.push(SagaEntry::Injected { at, fault: *fault }.into());
                }
            }
        }
        if self.paused {
            entries.push(SagaEntry::Paused.into());
        }
        if let Some(reason) = &self.parked {
            // it may be about nodes that have other names now, or about what the new version can read
            let before = "parked before the migration from version ";
            let reason = match reason.starts_with(before) {
                true => reason.clone(),
                false => format!("{before}{}: {reason}", to.versions.0),
            };
            entries.push(SagaEntry::Parked { reason }.into());
        }
    }
}

/// The nodes that are carried over, each after those that it waits for in the new plan, and otherwise in the order in which
/// they began.
pub(super) fn in_order(plan: &Plan, carried: &BTreeMap<u32, u32>, told: &[Told<'_>]) -> Vec<u32> {
    let began = |new: u32| {
        let entries = carried.get(&new).and_then(|old| told.get(*old as usize));
        entries.and_then(|told| told.entries.first()).map_or(0, |entry| entry.seq)
    };
    let before = |new: u32| plan.predecessors(NodeIndex(new)).count();
    let mut waiting = carried.keys().map(|new| (*new, before(*new))).collect::<BTreeMap<_, _>>();
    let ready = waiting.iter().filter(|(_, before)| **before == 0);
    let mut ready = ready.map(|(new, _)| Reverse((began(*new), *new))).collect::<BinaryHeap<_>>();
    let mut order = Vec::new();
    while let Some(Reverse((_, new))) = ready.pop() {
        order.push(new);
        for after in plan.successors(NodeIndex(new)) {
            let Some(before) = waiting.get_mut(&after.0) else { continue };
            *before -= 1;
            if *before == 0 {
                ready.push(Reverse((began(after.0), after.0)));
            }
        }
    }
    order
}
