//! A DAG as text that other programs draw, Graphviz and Mermaid, and as JSON; with how its nodes stand.

mod dot;
mod json;
mod mermaid;

use std::collections::BTreeMap;
use std::fmt;

use crate::dag::{Dag, Node, NodeBody};
use crate::log::{ActionState, NodePath};
use crate::names::NodeIndex;

/// How the nodes of a saga stand, by their paths; those of a
/// [`SagaReport`](crate::SagaReport) are `report.nodes.iter().map(|n| (n.node.clone(), n.state))`.
pub type NodeStates = BTreeMap<NodePath, ActionState>;

impl<C: Send + Sync + 'static> Dag<C> {
    /// The DAG in the language of Graphviz. What a node holds is a cluster beside it; nodes are coloured
    /// by their states, if those are given. Instances of one body are counted together.
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

    /// The same as a Mermaid flowchart.
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

/// What both languages draw.
struct Drawing {
    name: String,
    nodes: Vec<Drawn>,
    edges: Vec<(Id, Id)>,
}

/// A node.
struct Drawn {
    id: Id,
    /// Name, what it runs, how it stands.
    lines: Vec<String>,
    pivot: bool,
    /// The state that matters most.
    state: Option<ActionState>,
    parts: Vec<PartDrawn>,
}

/// What a node holds.
struct PartDrawn {
    id: Id,
    title: String,
    drawing: Drawing,
    /// The nodes that it begins with.
    roots: Vec<Id>,
}

/// A name in the drawing: `n`, then the places of holder, part and node, from the outside inwards.
#[derive(Clone)]
struct Id(String);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Drawing {
    fn of<C: Send + Sync + 'static>(dag: &Dag<C>, states: Option<&NodeStates>) -> Self {
        draw(dag, "n", "", false, &states.map(counts_of).unwrap_or_default())
    }
}

/// By the path of a node without the numbers of instances: how many of them are in each state.
type Counts = BTreeMap<String, BTreeMap<ActionState, usize>>;

fn counts_of(states: &NodeStates) -> Counts {
    let mut counts = Counts::new();
    for (path, state) in states {
        let of_node = counts.entry(without_numbers(path.as_str())).or_default();
        *of_node.entry(*state).or_default() += 1;
    }
    counts
}

/// The path of a node without the numbers of instances.
fn path_of<C: 'static>(node: &Node<C>, path: &str, inline: bool) -> String {
    let slash = if path.is_empty() { "" } else { "/" };
    match inline {
        true => path.to_string(),
        false => format!("{path}{slash}{}", node.name()),
    }
}

/// The path of the part number `k` of the node with this path.
fn part_path<C>(node: &Node<C>, path: &str, k: usize) -> String {
    match &node.body {
        NodeBody::ForEach(_) => format!("{path}[]"),
        NodeBody::Choose(_) => format!("{path}#{k}"),
        _ => path.to_string(),
    }
}

/// True if the only node of this part is the instance or the arm itself.
fn is_inline<C: Send + Sync + 'static>(node: &Node<C>, part: &Dag<C>) -> bool {
    part.len() == 1 && !matches!(node.body, NodeBody::Subsaga { .. })
}

/// `id` and `path`: of what holds this DAG; `inline`: its only node has no name of its own in paths.
fn draw<C: Send + Sync + 'static>(
    dag: &Dag<C>,
    id: &str,
    path: &str,
    inline: bool,
    counts: &Counts,
) -> Drawing {
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

fn parts<C: Send + Sync + 'static>(
    node: &Node<C>,
    holder: &Id,
    path: &str,
    counts: &Counts,
) -> Vec<PartDrawn> {
    let parts = node.body.parts().iter().enumerate().map(|(k, dag)| {
        let title = match &node.body {
            NodeBody::ForEach(_) => format!("each item of {}", node.name()),
            NodeBody::Choose(_) => format!("arm {k} of {}", node.name()),
            _ => format!("saga {}", dag.name()),
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

/// What the node runs: its label, or the name of its action or kind.
fn runs<C: Send + Sync + 'static>(node: &Node<C>) -> String {
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

/// A node's path with the numbers of its instances left out.
fn without_numbers(path: &str) -> String {
    let mut parts = path.split('[');
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |path, part| {
        let rest = part.split_once(']').map(|(_, rest)| rest).unwrap_or_default();
        format!("{path}[]{rest}")
    })
}

/// Which state a reader must see first.
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

/// The colour of a state; readable behind black text.
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
