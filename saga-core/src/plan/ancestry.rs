//! The neighbours and ancestors of the nodes of a plan. Gates are an internal matter of the plan and do not
//! appear here.

use std::collections::BTreeSet;

use super::{Plan, PlanNode};
use crate::names::NodeIndex;

impl Plan {
    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// True for the plan of an arm without nodes.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The node at this index.
    pub fn node(&self, node: NodeIndex) -> Option<&PlanNode> {
        self.nodes.get(node.index())
    }

    /// The index of the node with this name.
    pub fn node_index(&self, name: &str) -> Option<NodeIndex> {
        self.find(name).map(NodeIndex)
    }

    /// The nodes that this one waits for, in the order of declaration.
    pub fn predecessors(&self, node: NodeIndex) -> impl Iterator<Item = NodeIndex> {
        let entry = self.gate_of(node.0).unwrap_or(node.0);
        sorted(self.preds(entry).iter().map(|pred| NodeIndex(*pred)))
    }

    /// The nodes that wait for this one, in the order of declaration.
    pub fn successors(&self, node: NodeIndex) -> impl Iterator<Item = NodeIndex> {
        let entries = self.succs(node.0).iter();
        sorted(entries.filter_map(|entry| Some(NodeIndex(self.node_of(*entry)?.0))))
    }

    /// All nodes that have always completed before this one starts, in order of declaration.
    pub fn ancestors(&self, node: NodeIndex) -> Vec<NodeIndex> {
        let (mut found, mut open) = (BTreeSet::new(), vec![node]);
        while let Some(node) = open.pop() {
            open.extend(self.predecessors(node).filter(|pred| found.insert(*pred)));
        }
        found.into_iter().collect()
    }

    /// True if `ancestor` has always completed before `node` starts. This walks along the edges, from `node` back
    /// to `ancestor`.
    pub fn is_ancestor(&self, ancestor: NodeIndex, node: NodeIndex) -> bool {
        let rank = |node: NodeIndex| self.ranks.get(node.index()).copied();
        let Some(floor) = rank(ancestor) else { return false };
        let (mut seen, mut open) = (BTreeSet::new(), vec![node]);
        while let Some(node) = open.pop() {
            for pred in self.predecessors(node) {
                if pred == ancestor {
                    return true;
                }
                // From a node that ranks below the ancestor, no path leads back to the ancestor.
                if rank(pred) > Some(floor) && seen.insert(pred) {
                    open.push(pred);
                }
            }
        }
        false
    }

    /// The rank of each node in a topological order.
    pub(super) fn topological_ranks(&self) -> Vec<u32> {
        let nodes = (0..self.nodes.len() as u32).map(NodeIndex);
        let mut waiting = nodes.clone().map(|n| self.predecessors(n).count()).collect::<Vec<_>>();
        let mut ready = nodes.filter(|n| waiting.get(n.index()) == Some(&0)).collect::<Vec<_>>();
        let mut ranks = vec![0; waiting.len()];
        let mut next = 0;
        while let Some(node) = ready.pop() {
            if let Some(rank) = ranks.get_mut(node.index()) {
                *rank = next;
                next += 1;
            }
            for succ in self.successors(node) {
                let Some(count) = waiting.get_mut(succ.index()) else { continue };
                *count = count.saturating_sub(1);
                if *count == 0 {
                    ready.push(succ);
                }
            }
        }
        ranks
    }
}

fn sorted(nodes: impl Iterator<Item = NodeIndex>) -> std::vec::IntoIter<NodeIndex> {
    let mut nodes = nodes.collect::<Vec<_>>();
    nodes.sort_unstable();
    nodes.into_iter()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::plan::PlanKind;

    fn plan(kinds: Vec<PlanKind>, edges: &[(u32, u32)]) -> Plan {
        let nodes = (0..).zip(kinds).filter_map(|(i, kind): (u32, _)| {
            Some(PlanNode { name: format!("n{i}").parse().ok()?, kind })
        });
        Plan::new(nodes.collect(), edges)
    }

    fn indices(nodes: impl IntoIterator<Item = NodeIndex>) -> Vec<usize> {
        nodes.into_iter().map(NodeIndex::index).collect()
    }

    #[test]
    fn a_node_that_holds_others_has_neighbours_like_any_other() {
        let inner = Arc::new(plan(vec![PlanKind::Value; 2], &[]));
        let kinds = vec![
            PlanKind::Value,
            PlanKind::Subsaga(inner.clone()),
            PlanKind::Choose(vec![inner]),
            PlanKind::Value,
        ];
        let plan = plan(kinds, &[(0, 1), (1, 2), (2, 3), (0, 3)]);
        assert_eq!(indices(plan.predecessors(NodeIndex(2))), [1]);
        assert_eq!(indices(plan.predecessors(NodeIndex(3))), [0, 2]);
        assert_eq!(indices(plan.successors(NodeIndex(0))), [1, 3]);
        assert_eq!(indices(plan.ancestors(NodeIndex(3))), [0, 1, 2]);
    }

    #[test]
    fn a_node_is_an_ancestor_of_all_that_waits_for_it() {
        // declared in another order than they run in: 3, 1, 2, and 0 beside them
        let plan = plan(vec![PlanKind::Value; 4], &[(3, 1), (1, 2)]);
        let all = (0..4).flat_map(|a| (0..4).map(move |b| (a, b)));
        let ancestors = all.filter(|(a, b)| plan.is_ancestor(NodeIndex(*a), NodeIndex(*b)));
        assert_eq!(ancestors.collect::<Vec<_>>(), [(1, 2), (3, 1), (3, 2)]);
        assert!(!plan.is_ancestor(NodeIndex(9), NodeIndex(1)));
    }
}
