//! Which nodes of a saga have an action of their own, one that a fault or a mock can take the place of.

use crate::dag::AnyDag;
use crate::error::StartError;
use crate::log::NodePath;
use crate::plan::PlanKind;

/// Refuses a fault of a node that the saga does not have.
pub(super) fn check_fault(dag: &AnyDag, node: &NodePath) -> Result<(), StartError> {
    match node_without_action(dag, node.as_str()) {
        None => Ok(()),
        Some(why) => {
            let (saga, node) = (dag.name().to_string(), node.clone());
            Err(StartError::Fault { saga, node, why })
        }
    }
}

/// Why the node at this path has no action of its own, if it has none. Of a node inside another one, the outermost is
/// checked.
pub(crate) fn node_without_action(dag: &AnyDag, path: &str) -> Option<&'static str> {
    let outermost = path.split(['/', '[', '#']).next().unwrap_or_default();
    let found = dag.plan().find(outermost);
    let kind =
        found.and_then(|found| dag.plan().nodes().get(found as usize)).map(|node| &node.kind);
    match kind {
        None => Some("it has no such node"),
        Some(PlanKind::Value | PlanKind::Wait(_)) => Some("that node runs no action"),
        Some(
            PlanKind::Subsaga(_)
            | PlanKind::ForEach { .. }
            | PlanKind::Choose(_)
            | PlanKind::Try { .. },
        ) if outermost == path => Some("that node has no action of its own, name one inside it"),
        Some(_) => None,
    }
}
