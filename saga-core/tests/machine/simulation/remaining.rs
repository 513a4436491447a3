//! Which effects remain at the end, compared with what the saga reports.

use std::collections::{BTreeSet, HashMap};

use saga_core::action::UndoContract;
use saga_core::log::NodeEntry;
use saga_core::machine::SagaState;
use saga_core::{ActionState, SagaStatus};

use super::expand::Expanded;
use super::run::Ran;

/// What is left in the end is what the saga says is left.
pub(super) fn end(dag: &Expanded, ran: &Ran) {
    let states = ran.nodes.iter().map(|n| (n.path.as_str(), n)).collect::<HashMap<_, _>>();
    for node in &dag.nodes {
        let Some(policy) = node.policy else { continue };
        let path = &node.path;
        let Some(state) = states.get(path.as_str()) else {
            assert!(!ran.world.receivers.contains_key(path), "{path}: called and not listed");
            continue; // of a subsaga that was not reached
        };
        let receiver = ran.world.receivers.get(path).cloned().unwrap_or_default();
        let left = receiver.effect || receiver.partial;
        // a human took care of what is left, the test's human did not
        if state.resolved {
            continue;
        }
        let forward = ran.status == SagaStatus::Stuck && ran.state.cause().is_none();
        let lists = matches!(state.state, ActionState::Completed | ActionState::UndoFailed);
        match ran.status {
            SagaStatus::Completed if state.state == ActionState::Skipped => assert!(!left),
            SagaStatus::Completed => {
                assert_eq!(state.state, ActionState::Completed);
                assert!(receiver.effect && receiver.undos == 0, "{path}: no effect");
            }
            // it stopped behind the pivot
            SagaStatus::Stuck if forward => {
                assert_eq!(receiver.undos, 0, "{path}: undone behind the pivot");
                assert!(state.state != ActionState::Completed || receiver.effect);
                assert!(state.state != ActionState::Pending || !left);
            }
            _ if policy.undo == UndoContract::None => {
                assert_eq!(receiver.undos, 0, "{path}: undone without an undo");
            }
            SagaStatus::RolledBack => assert!(!left, "{path}: rolled back, its effect is left"),
            _ => {
                assert!(lists || !left, "{path}: its effect is left and not listed: {state:?}");
                let blocked = state.state == ActionState::Completed;
                assert!(!blocked || receiver.effect, "{path}: listed, and not there");
                // without an output nobody can say that the effect *is* there
                let known = state.state == ActionState::Completed
                    || ran.log.iter().any(|e| {
                        e.node().is_some_and(|n| n.as_str() == path)
                            && matches!(e.node_entry(), Some(NodeEntry::Succeeded(_)))
                    });
                assert!(
                    !lists || state.in_doubt != known,
                    "{path}: remains or may remain? {state:?}"
                );
            }
        }
    }
}

/// Every vertex has a path, every path its vertex.
pub(super) fn paths(dag: &Expanded, state: &SagaState) {
    for v in 0..state.len() {
        let (path, gate) = (state.path(v), state.place(v).is_some_and(|(_, _, gate)| gate));
        let found = state.resolve(path.as_str()).unwrap_or_else(|| panic!("{path} is not found"));
        assert!(gate || found == v, "{path} is {found}, not {v}");
        assert_eq!(state.path(found), path);
        for tail in ["/", "[", "[0", "[7]", "#", "#9", "/x", "]"] {
            assert_eq!(state.resolve(&format!("{path}{tail}")), None, "{path}{tail}");
        }
    }
    let listed = state.nodes().iter().map(|n| n.path.to_string()).collect::<BTreeSet<_>>();
    let expanded = dag.by_path.keys().cloned().collect::<BTreeSet<_>>();
    assert!(listed.is_subset(&expanded), "{listed:?} {expanded:?}");
}
