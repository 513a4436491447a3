//! Which effects remain at the end, compared with what the saga reports.

use std::collections::{BTreeSet, HashMap};

use saga_core::action::UndoContract;
use saga_core::log::{NodeEntry, since_migration};
use saga_core::machine::SagaState;
use saga_core::{ActionState, SagaStatus};

use super::expand::Expanded;
use super::law::Law;
use super::run::Ran;
use super::scopes::Unwound;

/// What is left in the end is what the saga says is left.
pub(super) fn end(dag: &Expanded, ran: &Ran) {
    let states = ran.nodes.iter().map(|n| (n.path.as_str(), n)).collect::<HashMap<_, _>>();
    let waits = ran.nodes.iter().find(|node| {
        let is_wait =
            dag.by_path.get(node.path.as_str()).map(|i| !dag.nodes[*i].waits_for.is_empty());
        is_wait == Some(true) && node.state == ActionState::Running
    });
    Law::WaitsEndOnce.holds(waits.is_none(), || format!("{waits:?} of a saga that has ended"));
    let unwound = Unwound::of(since_migration(&ran.log));
    for node in &dag.nodes {
        let Some(policy) = node.policy else { continue };
        let path = &node.path;
        let Some(state) = states.get(path.as_str()) else {
            let called = ran.world.receiver(path).is_some();
            Law::ResidueIsListed.holds(!called, || format!("{path} was called"));
            continue; // of a subsaga that was not reached
        };
        let doubt = state.in_doubt && policy.transaction.is_some();
        Law::TransactionsLeaveNoDoubt.holds(!doubt, || format!("{state:?}"));
        let receiver = ran.world.receiver(path).unwrap_or_default();
        let left = receiver.is_left();
        // a human took care of what is left, the test's human did not
        if state.resolved {
            continue;
        }
        if unwound.left_behind(dag, node) {
            let undone = policy.undo == UndoContract::None || !left;
            Law::UndoneScopeLeavesNothing.holds(undone, || format!("{state:?} {receiver:?}"));
            let untouched = policy.undo != UndoContract::None || receiver.undos == 0;
            Law::NothingIsUndoneWithoutAnUndo
                .holds(untouched, || format!("{state:?} {receiver:?}"));
            continue;
        }
        let forward = ran.status == SagaStatus::Stuck
            && ran.state.cause().is_none()
            && !unwound.took_back(dag, node);
        let lists = matches!(state.state, ActionState::Completed | ActionState::UndoFailed);
        let this = || format!("{state:?} {receiver:?}");
        match ran.status {
            SagaStatus::Completed if state.state == ActionState::Skipped => {
                Law::CompletedHasEveryEffect.holds(!left, this);
            }
            SagaStatus::Completed => {
                let done = state.state == ActionState::Completed;
                let once = receiver.effects == 1 && !receiver.partial;
                let kept = done && once && receiver.undos == 0;
                Law::CompletedHasEveryEffect.holds(kept, this);
            }
            // it stopped behind the pivot
            SagaStatus::Stuck if forward => {
                Law::NothingIsUndoneBehindThePivot.holds(receiver.undos == 0, this);
                let there = state.state != ActionState::Completed || receiver.effects == 1;
                let listed = state.state != ActionState::Pending || !left;
                Law::ResidueIsListed.holds(there && listed, this);
            }
            _ if policy.undo == UndoContract::None => {
                Law::NothingIsUndoneWithoutAnUndo.holds(receiver.undos == 0, this);
            }
            SagaStatus::RolledBack => Law::RolledBackLeavesNothing.holds(!left, this),
            _ => {
                Law::ResidueIsListed.holds(lists || !left, this);
                let blocked = state.state == ActionState::Completed;
                Law::ResidueIsListed.holds(!blocked || receiver.effects == 1, this);
                // without an output nobody can say that the effect *is* there
                let known = state.state == ActionState::Completed
                    || since_migration(&ran.log).iter().any(|e| {
                        e.node().is_some_and(|n| n.as_str() == path)
                            && matches!(e.node_entry(), Some(NodeEntry::Succeeded(_)))
                    });
                let remains = !lists || state.in_doubt != known;
                Law::ResidueIsListed.holds(remains, || format!("remains or may remain? {state:?}"));
            }
        }
    }
}

/// Every vertex has a path, every path its vertex.
pub(super) fn paths(dag: &Expanded, state: &SagaState) {
    for v in 0..state.len() {
        let (path, gate) = (state.path(v), state.place(v).is_some_and(|(_, _, gate)| gate));
        let found = state.resolve(path.as_str());
        let same = found.is_some_and(|found| (gate || found == v) && state.path(found) == path);
        Law::PathsAreUnique.holds(same, || format!("{path} is {found:?}, not {v}"));
        for tail in ["/", "[", "[0", "[7]", "#", "#9", "/x", "]"] {
            let found = state.resolve(&format!("{path}{tail}"));
            Law::PathsAreUnique.holds(found.is_none(), || format!("{path}{tail}"));
        }
    }
    let listed = state.nodes().iter().map(|n| n.path.to_string()).collect::<BTreeSet<_>>();
    let expanded = dag.by_path.keys().cloned().collect::<BTreeSet<_>>();
    let all = listed.is_subset(&expanded);
    Law::PathsAreUnique.holds(all, || format!("{listed:?} {expanded:?}"));
}
