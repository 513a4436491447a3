//! Checks whether a node can be the point of no return.

use std::collections::HashSet;

use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{Dfs, Reversed, Walker};

use super::DagError;
use crate::names::NodeName;
use crate::plan::{Plan, PlanKind};

/// Every other node must be before or after the pivot, and those after it must never give up.
pub(super) fn check<N>(plan: &Plan, graph: &DiGraph<N, ()>, pivot: u32) -> Result<(), DagError> {
    let start = NodeIndex::from(pivot);
    let behind = Dfs::new(graph, start).iter(graph).collect::<HashSet<_>>();
    let back = Reversed(graph);
    let before = Dfs::new(back, start).iter(back).collect::<HashSet<_>>();
    let name = |node: u32| plan.nodes().get(node as usize).map(|node| node.name.clone());
    let Some(pivot_name) = name(pivot) else { return Ok(()) };
    for (i, node) in plan.nodes().iter().enumerate() {
        let is = NodeIndex::new(i);
        if !before.contains(&is) && !behind.contains(&is) {
            return Err(DagError::PivotBeside { pivot: pivot_name, node: node.name.clone() });
        }
        if is != start
            && behind.contains(&is)
            && let Some(node) = gives_up(&node.name, &node.kind)
        {
            return Err(DagError::GivesUp { pivot: pivot_name, node });
        }
    }
    Ok(())
}

/// The path of the first action that does not retry forever.
fn gives_up(name: &NodeName, kind: &PlanKind) -> Option<String> {
    let parts = match kind {
        PlanKind::Action(policy) => return policy.retry.max().map(|_| name.to_string()),
        // a wait cannot fail; without a timeout it may go on for ever, as a retry may
        PlanKind::Value | PlanKind::Wait(_) => return None,
        PlanKind::Subsaga(plan) | PlanKind::ForEach { body: plan, .. } => {
            std::slice::from_ref(plan)
        }
        PlanKind::Choose(arms) => arms,
        // a failure within the scope leads to what is there instead of it
        PlanKind::Try { otherwise, .. } => otherwise.as_slice(),
    };
    let mut nodes = parts.iter().flat_map(|plan| plan.nodes());
    nodes.find_map(|node| gives_up(&node.name, &node.kind).map(|inner| format!("{name}/{inner}")))
}
