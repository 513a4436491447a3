//! The shape of a DAG, without anything that can be run. It is all that the machine needs to know.
//!
//! A plan is a list of *vertices*. Each node has one, at its own index. A composite node (a `for`, a choice, a
//! subsaga) has a second one, its *gate*; gates come after all nodes. Edges into a composite node lead to its
//! gate, edges out of it start from its own vertex, and the nodes inside it run between the two.

mod ancestry;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::names::{EventType, NodeName};
use crate::policy::Policy;

/// The kind of a node.
#[derive(Debug, Clone, PartialEq)]
pub enum PlanKind {
    /// Runs an action.
    Action(Policy),
    /// Has a constant value, or computes its value from earlier outputs. There is no effect and nothing to
    /// undo.
    Value,
    /// Waits for the first of these.
    Wait(Vec<Alternative>),
    /// Runs another DAG in its place.
    Subsaga(Arc<Plan>),
    /// Runs one body for each item. The number of instances is decided once its inputs are known.
    ForEach {
        /// The body that runs for each item.
        body: Arc<Plan>,
        /// The maximum number of instances that run at once while the saga goes forward.
        concurrency: Option<u32>,
    },
    /// Runs one of several bodies, or none if the chosen number is past the last one.
    Choose(Vec<Arc<Plan>>),
    /// Runs a body that is a *scope*: when one of its nodes fails for good, only the nodes of the scope unwind.
    Try {
        /// The scope.
        body: Arc<Plan>,
        /// What runs once a scope that failed has been undone. Without it the node completes then.
        otherwise: Option<Arc<Plan>>,
    },
}

impl PlanKind {
    /// What it declares, if it is an action.
    pub fn policy(&self) -> Option<&Policy> {
        match self {
            Self::Action(policy) => Some(policy),
            Self::Value
            | Self::Wait(_)
            | Self::Subsaga(_)
            | Self::ForEach { .. }
            | Self::Choose(_)
            | Self::Try { .. } => None,
        }
    }

    /// True for the kinds of node that contain other nodes.
    pub fn is_composite(&self) -> bool {
        match self {
            Self::Action(_) | Self::Value | Self::Wait(_) => false,
            Self::Subsaga(_) | Self::ForEach { .. } | Self::Choose(_) | Self::Try { .. } => true,
        }
    }
}

/// One of the things that a wait waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alternative {
    /// An event from outside.
    Event(EventType),
    /// A length of time, from when the wait starts.
    Sleep,
    /// A point in time on the wall clock.
    SleepUntil,
}

impl fmt::Display for Alternative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(event) => write!(f, "event {event}"),
            Self::Sleep | Self::SleepUntil => f.write_str("a time"),
        }
    }
}

/// What a wait waits for, in words.
pub(crate) fn described(alternatives: &[Alternative]) -> String {
    let words = alternatives.iter().map(Alternative::to_string).collect::<Vec<_>>();
    words.join(" or ")
}

impl Alternative {
    /// True if it waits for a time.
    pub fn is_timer(&self) -> bool {
        match self {
            Self::Event(_) => false,
            Self::Sleep | Self::SleepUntil => true,
        }
    }
}

/// One node.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanNode {
    /// Its name.
    pub name: NodeName,
    /// What it is.
    pub kind: PlanKind,
}

/// The nodes and edges of a DAG, which can be followed in both directions.
#[derive(Debug, PartialEq)]
pub struct Plan {
    nodes: Vec<PlanNode>,
    by_name: HashMap<NodeName, u32>,
    /// The gate of each node that has one.
    gates: Vec<Option<u32>>,
    /// The node of each gate, from vertex `nodes.len()` on.
    gated: Vec<u32>,
    preds: Edges,
    succs: Edges,
    roots: Vec<u32>,
    leaves: Vec<u32>,
    /// The rank of each node in a topological order.
    ranks: Vec<u32>,
    /// True for the body of an instance or arm that consists of one step. That step *is* the instance, and adds
    /// no segment to the path.
    inline: bool,
    /// The point of no return.
    pivot: Option<u32>,
}

/// Adjacency lists in one allocation.
#[derive(Debug, PartialEq, Default)]
struct Edges {
    from: Vec<u32>,
    to: Vec<u32>,
}

impl Edges {
    fn new(vertices: usize, pairs: impl Iterator<Item = (u32, u32)> + Clone) -> Self {
        let mut from = vec![0u32; vertices + 1];
        for (a, _) in pairs.clone() {
            from[a as usize + 1] += 1;
        }
        for i in 0..vertices {
            from[i + 1] += from[i];
        }
        let mut next = from.clone();
        let mut to = vec![0u32; pairs.clone().count()];
        for (a, b) in pairs {
            let slot = &mut next[a as usize];
            to[*slot as usize] = b;
            *slot += 1;
        }
        Self { from, to }
    }

    fn of(&self, vertex: u32) -> &[u32] {
        let v = vertex as usize;
        match (self.from.get(v), self.from.get(v + 1)) {
            (Some(a), Some(b)) => self.to.get(*a as usize..*b as usize).unwrap_or_default(),
            _ => &[],
        }
    }
}

impl Plan {
    /// A plan of these nodes and edges. An edge is a pair (from, to) of indices into `nodes`. The caller has
    /// checked that there is no cycle and no index out of range.
    pub fn new(nodes: Vec<PlanNode>, edges: &[(u32, u32)]) -> Self {
        let n = nodes.len();
        let mut gates = vec![None; n];
        let mut gated = Vec::new();
        for (i, node) in nodes.iter().enumerate() {
            if node.kind.is_composite() {
                gates[i] = Some((n + gated.len()) as u32);
                gated.push(i as u32);
            }
        }
        let vertices = n + gated.len();
        let entry = |node: u32| gates.get(node as usize).copied().flatten().unwrap_or(node);
        let pairs = edges.iter().map(|&(a, b)| (a, entry(b)));
        let succs = Edges::new(vertices, pairs.clone());
        let preds = Edges::new(vertices, pairs.map(|(a, b)| (b, a)));
        let roots =
            (0..n as u32).map(entry).filter(|v| preds.of(*v).is_empty()).collect::<Vec<_>>();
        let leaves = (0..n as u32).filter(|v| succs.of(*v).is_empty()).collect::<Vec<_>>();
        let by_name =
            nodes.iter().enumerate().map(|(i, node)| (node.name.clone(), i as u32)).collect();
        let ranks = Vec::new();
        let (inline, pivot) = (false, None);
        let plan = Self {
            nodes,
            by_name,
            gates,
            gated,
            preds,
            succs,
            roots,
            leaves,
            ranks,
            inline,
            pivot,
        };
        Self { ranks: plan.topological_ranks(), ..plan }
    }

    /// The plan of a body that consists of one step.
    pub fn inline(node: PlanNode) -> Self {
        Self { inline: true, ..Self::new(vec![node], &[]) }
    }

    /// The same plan with a point of no return: once this node has succeeded, the saga only goes forward. The
    /// caller has checked that every other node is before or after it.
    pub fn with_pivot(self, node: u32) -> Self {
        Self { pivot: Some(node), ..self }
    }

    /// The point of no return.
    pub fn pivot(&self) -> Option<u32> {
        self.pivot
    }

    /// The nodes, in the order of declaration.
    pub fn nodes(&self) -> &[PlanNode] {
        &self.nodes
    }

    /// The node with this name.
    pub fn find(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// The number of vertices: those of the nodes, then the gates.
    pub fn vertices(&self) -> u32 {
        (self.nodes.len() + self.gated.len()) as u32
    }

    /// The node of a vertex, and whether the vertex is its gate.
    pub fn node_of(&self, vertex: u32) -> Option<(u32, bool)> {
        let n = self.nodes.len() as u32;
        if vertex < n {
            return Some((vertex, false));
        }
        self.gated.get((vertex - n) as usize).map(|node| (*node, true))
    }

    /// The gate of a composite node.
    pub fn gate_of(&self, node: u32) -> Option<u32> {
        self.gates.get(node as usize).copied().flatten()
    }

    /// The vertices that must complete before this one, within this plan.
    pub fn preds(&self, vertex: u32) -> &[u32] {
        self.preds.of(vertex)
    }

    /// The vertices that wait for this one, within this plan.
    pub fn succs(&self, vertex: u32) -> &[u32] {
        self.succs.of(vertex)
    }

    /// The vertices without predecessors.
    pub fn roots(&self) -> &[u32] {
        &self.roots
    }

    /// The vertices without successors.
    pub fn leaves(&self) -> &[u32] {
        &self.leaves
    }

    /// True if this is the body of an instance or arm and consists of one step.
    pub fn is_inline(&self) -> bool {
        self.inline
    }
}
