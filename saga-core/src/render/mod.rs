//! Renders a DAG as Graphviz or Mermaid text, or as JSON, with the states of its nodes.

mod dot;
mod json;
mod mermaid;

use std::collections::BTreeMap;
use std::fmt;

use crate::dag::{AnyDag, AnyNode, NodeBody};
use crate::log::{ActionState, NodePath};
use crate::names::NodeIndex;

/// The states of the nodes of a saga, by path. For a [`SagaReport`](crate::SagaReport) they are
/// `report.nodes.iter().map(|n| (n.node.clone(), n.state))`.
pub type NodeStates = BTreeMap<NodePath, ActionState>;

impl AnyDag {
    /// The DAG as a Graphviz graph. What a composite node contains is drawn as a cluster. If states are given,
    /// nodes are coloured accordingly; the instances of one body are counted together.
    ///
    /// ```
    /// use saga_core::dag::{DagBuilder, Node};
    /// let mut dag = DagBuilder::<()>::new("Order")?;
    /// dag.append(Node::constant("rate", 3)?)?.append(Node::constant("fee", 5)?)?;
    /// let text = dag.build()?.to_dot(None);
    /// assert!(text.starts_with("digraph \"Order\" {"));
    /// assert!(text.contains("n0 -> n1;"));
    /// # Ok::<(), saga_core::dag::DagError>(())
    /// ```
    pub fn to_dot(&self, states: Option<&NodeStates>) -> String {
        dot::write(&Drawing::of(self, states))
    }

    /// The DAG as a Mermaid flowchart, drawn in the same way.
    ///
    /// ```
    /// use saga_core::dag::{DagBuilder, Node};
    /// let mut dag = DagBuilder::<()>::new("Order")?;
    /// dag.append(Node::constant("rate", 3)?)?.append(Node::constant("fee", 5)?)?;
    /// let text = dag.build()?.to_mermaid(None);
    /// assert!(text.starts_with("flowchart TD\n"));
    /// assert!(text.contains("n0 --> n1"));
    /// # Ok::<(), saga_core::dag::DagError>(())
    /// ```
    pub fn to_mermaid(&self, states: Option<&NodeStates>) -> String {
        mermaid::write(&Drawing::of(self, states))
    }
}

/// A DAG prepared for drawing, in either language.
struct Drawing {
    name: String,
    nodes: Vec<Drawn>,
    edges: Vec<(Id, Id)>,
}

/// A node.
struct Drawn {
    id: Id,
    /// The lines of its label: the name, what it runs, its state.
    lines: Vec<String>,
    pivot: bool,
    /// The most important state of its instances.
    state: Option<ActionState>,
    parts: Vec<PartDrawn>,
}

/// A DAG inside a node.
struct PartDrawn {
    id: Id,
    title: String,
    drawing: Drawing,
    /// The nodes without predecessors.
    roots: Vec<Id>,
}

/// An identifier in the drawing: `n`, followed by the indices of nodes and parts from the outside inwards.
#[derive(Clone)]
struct Id(String);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Drawing {
    fn of(dag: &AnyDag, states: Option<&NodeStates>) -> Self {
        draw(dag, "n", "", false, &states.map(counts_of).unwrap_or_default())
    }
}

/// How many instances of a node are in each state, by the path of the node without instance numbers.
type Counts = BTreeMap<String, BTreeMap<ActionState, usize>>;

fn counts_of(states: &NodeStates) -> Counts {
    let mut counts = Counts::new();
    for (path, state) in states {
        let of_node = counts.entry(without_numbers(path.as_str())).or_default();
        *of_node.entry(*state).or_default() += 1;
    }
    counts
}

/// The path of a node without instance numbers.
fn path_of(node: &AnyNode, path: &str, inline: bool) -> String {
    let slash = if path.is_empty() { "" } else { "/" };
    match inline {
        true => path.to_string(),
        false => format!("{path}{slash}{}", node.name()),
    }
}

/// The path of part number `k` of the node with this path.
fn part_path(node: &AnyNode, path: &str, k: usize) -> String {
    match &node.body {
        NodeBody::ForEach(_) => format!("{path}[]"),
        NodeBody::Choose(_) => format!("{path}#{k}"),
        NodeBody::Subsaga { .. }
        | NodeBody::Action(_)
        | NodeBody::Constant { .. }
        | NodeBody::Computed(_) => path.to_string(),
    }
}

/// True if the only node of this part is itself the instance or arm.
fn is_inline(node: &AnyNode, part: &AnyDag) -> bool {
    let is_saga = match &node.body {
        NodeBody::Subsaga { .. } => true,
        NodeBody::ForEach(_) | NodeBody::Choose(_) => false,
        NodeBody::Action(_) | NodeBody::Constant { .. } | NodeBody::Computed(_) => false,
    };
    part.len() == 1 && !is_saga
}

/// `id` and `path` are those of the node that contains this DAG. `inline` is true if its only node has no name
/// of its own in paths.
fn draw(dag: &AnyDag, id: &str, path: &str, inline: bool, counts: &Counts) -> Drawing {
    let id_of = |node: NodeIndex| Id(format!("{id}{node}"));
    let nodes = dag.nodes().enumerate().map(|(i, node)| {
        let path = path_of(node, path, inline);
        let states = counts.get(&path);
        let mut lines = vec![node.name().to_string(), runs(node)];
        lines.extend(states.map(in_words));
        let index = NodeIndex(i as u32);
        Drawn {
            id: id_of(index),
            lines,
            pivot: dag.pivot() == Some(index),
            state: states
                .and_then(|states| states.keys().copied().max_by_key(|state| weight(*state))),
            parts: parts(node, &id_of(index), &path, counts),
        }
    });
    let edges = (0..dag.len() as u32).map(NodeIndex);
    let edges = edges.flat_map(|to| dag.predecessors(to).map(move |from| (from, to)));
    Drawing {
        name: dag.name().to_string(),
        nodes: nodes.collect(),
        edges: edges.map(|(from, to)| (id_of(from), id_of(to))).collect(),
    }
}

fn parts(node: &AnyNode, holder: &Id, path: &str, counts: &Counts) -> Vec<PartDrawn> {
    let parts = node.body.parts().iter().enumerate().map(|(k, dag)| {
        let title = match &node.body {
            NodeBody::ForEach(_) => format!("each item of {}", node.name()),
            NodeBody::Choose(_) => format!("arm {k} of {}", node.name()),
            NodeBody::Subsaga { .. }
            | NodeBody::Action(_)
            | NodeBody::Constant { .. }
            | NodeBody::Computed(_) => format!("saga {}", dag.name()),
        };
        let id = format!("{holder}_{k}_");
        let roots = (0..dag.len() as u32).map(NodeIndex);
        let roots = roots.filter(|node| dag.predecessors(*node).next().is_none());
        PartDrawn {
            roots: roots.map(|root| Id(format!("{id}{root}"))).collect(),
            drawing: draw(dag, &id, &part_path(node, path, k), is_inline(node, dag), counts),
            id: Id(format!("{holder}_{k}")),
            title,
        }
    });
    parts.collect()
}

/// What the node runs: its label, the name of its action, or its kind.
fn runs(node: &AnyNode) -> String {
    let kind = match &node.body {
        NodeBody::Action(action) => action.name().as_str(),
        NodeBody::Constant { .. } => "constant",
        NodeBody::Computed(_) => "computed",
        NodeBody::Subsaga { dag, .. } => dag.name().as_str(),
        NodeBody::ForEach(_) => "for each",
        NodeBody::Choose(_) => "choose",
    };
    node.options.label.as_deref().unwrap_or(kind).to_string()
}

/// `completed`, or `3 completed, 1 failed` for the instances of one body.
fn in_words(states: &BTreeMap<ActionState, usize>) -> String {
    if let [(state, 1)] = states.iter().collect::<Vec<_>>().as_slice() {
        return state.to_string();
    }
    let words = states.iter().map(|(state, count)| format!("{count} {state}"));
    words.collect::<Vec<_>>().join(", ")
}

/// The path of a node with its instance numbers removed.
fn without_numbers(path: &str) -> String {
    let mut parts = path.split('[');
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |path, part| {
        let rest = part.split_once(']').map(|(_, rest)| rest).unwrap_or_default();
        format!("{path}[]{rest}")
    })
}

/// The importance of a state: what a reader must notice first.
fn weight(state: ActionState) -> u8 {
    match state {
        ActionState::UndoFailed => 7,
        ActionState::Failed => 6,
        ActionState::Undoing => 5,
        ActionState::Running => 4,
        ActionState::Undone => 3,
        ActionState::Pending => 2,
        ActionState::Completed => 1,
        ActionState::Skipped => 0,
    }
}

/// The colour of a state, light enough for black text.
fn colour(state: ActionState) -> &'static str {
    match state {
        ActionState::UndoFailed => "#ff8a80",
        ActionState::Failed => "#ffcdd2",
        ActionState::Undoing => "#ffe0b2",
        ActionState::Running => "#bbdefb",
        ActionState::Undone => "#e1bee7",
        ActionState::Pending => "#ffffff",
        ActionState::Completed => "#c8e6c9",
        ActionState::Skipped => "#eeeeee",
    }
}
