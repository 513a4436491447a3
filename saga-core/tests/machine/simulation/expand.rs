//! The expanded DAG that a log refers to: every instance and arm that was chosen, with its path and
//! edges, computed independently of the machine.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use saga_core::action::Policy;
use saga_core::dag::{Alternative, Plan, PlanKind};
use saga_core::log::{Entry, EntryKind, NodeEntry};

pub(crate) struct Node {
    pub(crate) path: String,
    /// None for values, holding nodes and gates.
    pub(crate) policy: Option<Policy>,
    /// What it waits for, if it is a wait.
    pub(crate) waits_for: Vec<Alternative>,
    /// True if an entry says that it is done: an output or a choice.
    pub(crate) has_entry: bool,
    pub(crate) succs: Vec<usize>,
    pub(crate) preds: Vec<usize>,
    /// The instances that it stands in: which of `loops`, and the number.
    pub(crate) inside: Vec<(usize, usize)>,
    /// The `try`s in whose scope it stands, from the outermost one inwards.
    pub(crate) scopes: Vec<usize>,
    /// The `try`s in whose `else` it stands.
    pub(crate) instead_of: Vec<usize>,
}

/// A `for` with a limit.
pub(crate) struct Loop {
    pub(crate) at_once: usize,
    /// The nodes of each instance.
    pub(crate) instances: Vec<Range<usize>>,
}

/// Nodes in the order of declaration, depth first.
pub(crate) struct Expanded {
    pub(crate) nodes: Vec<Node>,
    pub(crate) by_path: HashMap<String, usize>,
    pub(crate) loops: Vec<Loop>,
    pub(crate) pivot: Option<usize>,
}

impl Expanded {
    pub(crate) fn of(plan: &Plan, log: &[Entry]) -> Self {
        let chosen = log.iter().filter_map(|entry| match &entry.kind {
            EntryKind::Node { node, entry: NodeEntry::Chosen(n), .. } => {
                Some((node.to_string(), *n))
            }
            _ => None,
        });
        let mut all =
            Self { nodes: Vec::new(), by_path: HashMap::new(), loops: Vec::new(), pivot: None };
        all.frame(plan, "", &chosen.collect());
        let pivot = plan.pivot().map(|pivot| plan.nodes()[pivot as usize].name.to_string());
        all.pivot = pivot.map(|path| all.by_path[&path]);
        all
    }

    /// Adds a frame; returns its roots and leaves.
    fn frame(
        &mut self,
        plan: &Plan,
        prefix: &str,
        chosen: &HashMap<String, u64>,
    ) -> (Vec<usize>, Vec<usize>) {
        let mut ends = Vec::new();
        for (i, declared) in plan.nodes().iter().enumerate() {
            let path = match (prefix, plan.is_inline()) {
                ("", _) => declared.name.to_string(),
                (_, true) => prefix.to_string(),
                (_, false) => format!("{prefix}/{}", declared.name),
            };
            let policy = match &declared.kind {
                PlanKind::Action(policy) => Some(*policy),
                _ => None,
            };
            let has_entry = !matches!(declared.kind, PlanKind::Subsaga(_) | PlanKind::Try { .. });
            let entry = self.add(path.clone(), policy, has_entry);
            if let PlanKind::Wait(alternatives) = &declared.kind {
                self.nodes[entry].waits_for = alternatives.clone();
            }
            self.by_path.insert(path.clone(), entry);
            let parts = match &declared.kind {
                PlanKind::Action(_) | PlanKind::Value | PlanKind::Wait(_) => {
                    ends.push((i, entry, entry));
                    continue;
                }
                PlanKind::Subsaga(body) => vec![(body, path.clone())],
                PlanKind::ForEach { body, .. } => {
                    let n = chosen.get(&path).copied().unwrap_or(0);
                    (0..n).map(|k| (body, format!("{path}[{k}]"))).collect()
                }
                PlanKind::Try { body, otherwise } => {
                    let otherwise = otherwise.iter().filter(|_| chosen.get(&path) == Some(&1));
                    let otherwise = otherwise.map(|body| (body, format!("{path}#1")));
                    [(body, format!("{path}#0"))].into_iter().chain(otherwise).collect()
                }
                PlanKind::Choose(arms) => {
                    let arm = chosen.get(&path).and_then(|k| Some((arms.get(*k as usize)?, *k)));
                    arm.map(|(body, k)| (body, format!("{path}#{k}"))).into_iter().collect()
                }
            };
            let (mut inner, mut instances) = (Vec::new(), Vec::new());
            for (body, at) in &parts {
                let first = self.nodes.len();
                inner.push(self.frame(body, at, chosen));
                instances.push(first..self.nodes.len());
            }
            if let PlanKind::Try { .. } = &declared.kind {
                for (part, nodes) in instances.iter().enumerate() {
                    for node in &mut self.nodes[nodes.clone()] {
                        match part {
                            0 => node.scopes.insert(0, entry),
                            _ => node.instead_of.push(entry),
                        }
                    }
                }
            }
            if let PlanKind::ForEach { concurrency: Some(n), .. } = &declared.kind {
                for (number, nodes) in instances.iter().enumerate() {
                    for i in nodes.clone() {
                        self.nodes[i].inside.push((self.loops.len(), number));
                    }
                }
                self.loops.push(Loop { at_once: (*n).max(1) as usize, instances });
            }
            let exit = self.add(format!("{path} exit"), None, false);
            let mut none = true;
            for (roots, leaves) in inner {
                none &= roots.is_empty();
                roots.iter().for_each(|root| self.edge(entry, *root));
                leaves.iter().for_each(|leaf| self.edge(*leaf, exit));
            }
            if none {
                self.edge(entry, exit);
            }
            ends.push((i, entry, exit));
        }
        for (i, entry, _) in &ends {
            // the plan keeps its edges at the gate
            let at = plan.gate_of(*i as u32).unwrap_or(*i as u32);
            for pred in plan.preds(at) {
                self.edge(ends[*pred as usize].2, *entry);
            }
        }
        let roots = ends
            .iter()
            .filter(|(i, ..)| plan.preds(plan.gate_of(*i as u32).unwrap_or(*i as u32)).is_empty());
        let leaves = ends.iter().filter(|(i, ..)| plan.succs(*i as u32).is_empty());
        (roots.map(|end| end.1).collect(), leaves.map(|end| end.2).collect())
    }

    fn add(&mut self, path: String, policy: Option<Policy>, has_entry: bool) -> usize {
        self.nodes.push(Node {
            path,
            policy,
            waits_for: Vec::new(),
            has_entry,
            succs: Vec::new(),
            preds: Vec::new(),
            inside: Vec::new(),
            scopes: Vec::new(),
            instead_of: Vec::new(),
        });
        self.nodes.len() - 1
    }

    fn edge(&mut self, from: usize, to: usize) {
        self.nodes[from].succs.push(to);
        self.nodes[to].preds.push(from);
    }

    pub(crate) fn descendants(&self, node: usize) -> HashSet<usize> {
        self.reach(node, |n| &n.succs)
    }

    pub(crate) fn ancestors(&self, node: usize) -> HashSet<usize> {
        self.reach(node, |n| &n.preds)
    }

    fn reach(&self, node: usize, next: impl Fn(&Node) -> &Vec<usize>) -> HashSet<usize> {
        let mut seen = HashSet::new();
        let mut todo = next(&self.nodes[node]).clone();
        while let Some(n) = todo.pop() {
            if seen.insert(n) {
                todo.extend(next(&self.nodes[n]));
            }
        }
        seen
    }
}
