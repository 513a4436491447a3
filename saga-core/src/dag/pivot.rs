//! Whether a node can be the point of no return.

use super::{DagError, NodeName, Plan, PlanKind};

/// Every other node must be before or behind it, and those behind it must not give up.
pub(super) fn check(plan: &Plan, edges: &[(u32, u32)], pivot: u32) -> Result<(), DagError> {
    let behind = reached(plan, pivot, edges.iter().copied());
    let before = reached(plan, pivot, edges.iter().map(|&(from, to)| (to, from)));
    let name = |node: u32| plan.nodes().get(node as usize).map(|node| node.name.clone());
    let Some(pivot_name) = name(pivot) else { return Ok(()) };
    for (i, node) in plan.nodes().iter().enumerate() {
        let is = |set: &[bool]| set.get(i).copied().unwrap_or_default();
        if i as u32 != pivot && !is(&before) && !is(&behind) {
            return Err(DagError::PivotBeside { pivot: pivot_name, node: node.name.clone() });
        }
        if is(&behind)
            && let Some(node) = gives_up(&node.name, &node.kind)
        {
            return Err(DagError::GivesUp { pivot: pivot_name, node });
        }
    }
    Ok(())
}

/// The nodes to which these edges lead from a node.
fn reached(plan: &Plan, from: u32, edges: impl Iterator<Item = (u32, u32)>) -> Vec<bool> {
    let mut next = vec![Vec::new(); plan.nodes().len()];
    for (a, b) in edges {
        if let Some(next) = next.get_mut(a as usize) {
            next.push(b);
        }
    }
    let mut seen = vec![false; plan.nodes().len()];
    let mut todo = vec![from];
    while let Some(node) = todo.pop() {
        for &b in next.get(node as usize).into_iter().flatten() {
            if let Some(seen) = seen.get_mut(b as usize)
                && !std::mem::replace(seen, true)
            {
                todo.push(b);
            }
        }
    }
    seen
}

/// The path of the first action that is not tried for ever.
fn gives_up(name: &NodeName, kind: &PlanKind) -> Option<String> {
    let parts = match kind {
        PlanKind::Action(policy) => return policy.retry.max().map(|_| name.to_string()),
        PlanKind::Value => return None,
        PlanKind::Subsaga(plan) | PlanKind::ForEach { body: plan, .. } => {
            std::slice::from_ref(plan)
        }
        PlanKind::Choose(arms) => arms,
    };
    let mut nodes = parts.iter().flat_map(|plan| plan.nodes());
    nodes.find_map(|node| gives_up(&node.name, &node.kind).map(|inner| format!("{name}/{inner}")))
}
