//! Renders a DAG as Graphviz or Mermaid text, as an SVG picture, or as JSON, with the states of its nodes.

mod dot;
mod graph;
mod json;
mod layout;
mod mermaid;
mod svg;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::dag::{AnyDag, AnyNode, Holds, NodeBody, Outline, OutlineNode};
use crate::log::{ActionState, NodePath};

pub use graph::Graph;
pub use svg::SvgOptions;

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
        Graph::of(self).to_dot(states)
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
        Graph::of(self).to_mermaid(states)
    }
}

/// A DAG prepared for drawing, in either language.
struct Drawing {
    name: String,
    nodes: Vec<Drawn>,
    /// From node to node, by index.
    edges: Vec<(usize, usize)>,
}

/// A node.
struct Drawn {
    id: Id,
    name: String,
    /// What it runs.
    runs: String,
    /// Its path without instance numbers.
    path: String,
    /// How many of its instances are in each state; empty if there are none.
    counts: BTreeMap<ActionState, usize>,
    pivot: bool,
    /// True if it may have effects that an undo takes back.
    undoable: bool,
    parts: Vec<PartDrawn>,
}

impl Drawn {
    /// The most important state of its instances.
    fn state(&self) -> Option<ActionState> {
        self.counts.keys().copied().max_by_key(|state| weight(*state))
    }

    /// The states of its instances in words.
    fn states(&self) -> Option<String> {
        (!self.counts.is_empty()).then(|| in_words(&self.counts))
    }

    /// The lines of its label: the name, what it runs, its state.
    fn lines(&self) -> Vec<String> {
        [self.name.clone(), self.runs.clone()].into_iter().chain(self.states()).collect()
    }
}

/// A DAG inside a node.
struct PartDrawn {
    id: Id,
    title: String,
    /// For the body of a `for`: how many items there are, as far as is known.
    items: Option<usize>,
    /// True for one arm of several, of which at most one runs.
    arm: bool,
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
    fn of(dag: &Outline, states: Option<&NodeStates>) -> Self {
        draw(dag, "n", "", false, &states.map(Seen::of).unwrap_or_default())
    }
}

impl Drawing {
    /// The edges as pairs of identifiers.
    fn named_edges(&self) -> impl Iterator<Item = (&Id, &Id)> {
        let id = |node: usize| self.nodes.get(node).map(|node| &node.id);
        self.edges.iter().filter_map(move |(from, to)| Some((id(*from)?, id(*to)?)))
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

/// What is known about the instances of all nodes.
#[derive(Default)]
struct Seen {
    counts: Counts,
    /// How many items each `for` has, by the path of its body without instance numbers.
    items: BTreeMap<String, usize>,
}

impl Seen {
    fn of(states: &NodeStates) -> Self {
        let paths = states.keys().map(|path| path.as_str());
        let ends = paths.flat_map(|path| {
            path.match_indices(']').filter_map(|(at, bracket)| path.get(..at + bracket.len()))
        });
        let mut items = BTreeMap::<String, usize>::new();
        for instance in ends.collect::<BTreeSet<_>>() {
            *items.entry(without_numbers(instance)).or_default() += 1;
        }
        Self { counts: counts_of(states), items }
    }
}

/// The path of a node without instance numbers.
fn path_of(node: &AnyNode, path: &str, inline: bool) -> String {
    joined(path, node.name().as_str(), inline)
}

/// The path of the node with this name inside the node with this path. `inline`: see `draw`.
fn joined(path: &str, name: &str, inline: bool) -> String {
    let slash = if path.is_empty() { "" } else { "/" };
    if inline { path.to_string() } else { format!("{path}{slash}{name}") }
}

/// The path of part number `k` of the node with this path.
fn part_path(node: &AnyNode, path: &str, k: usize) -> String {
    match &node.body {
        NodeBody::ForEach(_) => format!("{path}[]"),
        NodeBody::Choose(_) | NodeBody::Try(_) => format!("{path}#{k}"),
        NodeBody::Subsaga { .. }
        | NodeBody::Action(_)
        | NodeBody::Constant { .. }
        | NodeBody::Computed(_)
        | NodeBody::Wait(_) => path.to_string(),
    }
}

/// True if the only node of this part is itself the instance or arm.
fn is_inline(node: &AnyNode, part: &AnyDag) -> bool {
    let is_saga = match &node.body {
        NodeBody::Subsaga { .. } => true,
        NodeBody::ForEach(_) | NodeBody::Choose(_) | NodeBody::Try(_) => false,
        NodeBody::Action(_)
        | NodeBody::Constant { .. }
        | NodeBody::Computed(_)
        | NodeBody::Wait(_) => false,
    };
    part.len() == 1 && !is_saga
}

/// `id` and `path` are those of the node that contains this DAG. `inline` is true if its only node has no name
/// of its own in paths.
fn draw(dag: &Outline, id: &str, path: &str, inline: bool, seen: &Seen) -> Drawing {
    let nodes = dag.nodes.iter().enumerate().map(|(i, node)| {
        let path = joined(path, &node.name, inline);
        let id = Id(format!("{id}{i}"));
        Drawn {
            name: node.name.clone(),
            runs: node.runs.clone(),
            counts: seen.counts.get(&path).cloned().unwrap_or_default(),
            pivot: node.pivot,
            undoable: node.undoable,
            parts: parts(node, &id, &path, seen),
            id,
            path,
        }
    });
    let nodes = nodes.collect();
    let ends = dag.nodes.iter().enumerate();
    let edges = ends.flat_map(|(to, node)| node.after.iter().map(move |from| (*from, to)));
    Drawing { name: dag.name.clone(), nodes, edges: edges.collect() }
}

fn parts(node: &OutlineNode, holder: &Id, path: &str, seen: &Seen) -> Vec<PartDrawn> {
    let parts = node.parts.iter().enumerate().map(|(k, dag)| {
        let (title, path) = match node.holds {
            Holds::Body => (format!("each item of {}", node.name), format!("{path}[]")),
            Holds::Arms => (format!("arm {k} of {}", node.name), format!("{path}#{k}")),
            Holds::Attempt if k == 0 => (format!("try of {}", node.name), format!("{path}#{k}")),
            Holds::Attempt => (format!("else of {}", node.name), format!("{path}#{k}")),
            Holds::Subsaga | Holds::Nothing => (format!("saga {}", dag.name), path.to_string()),
        };
        let id = format!("{holder}_{k}_");
        let roots = dag.nodes.iter().enumerate().filter(|(_, node)| node.after.is_empty());
        let inline = dag.nodes.len() == 1 && node.holds != Holds::Subsaga;
        PartDrawn {
            roots: roots.map(|(root, _)| Id(format!("{id}{root}"))).collect(),
            items: seen.items.get(&path).copied().filter(|_| node.holds == Holds::Body),
            arm: matches!(node.holds, Holds::Arms | Holds::Attempt),
            drawing: draw(dag, &id, &path, inline, seen),
            id: Id(format!("{holder}_{k}")),
            title,
        }
    });
    parts.collect()
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
        ActionState::UndoFailed => 10,
        ActionState::InDoubt => 9,
        ActionState::Failed => 8,
        ActionState::Undoing => 7,
        ActionState::Running => 6,
        ActionState::Waiting => 5,
        ActionState::Resolved => 4,
        ActionState::Undone => 3,
        ActionState::Pending => 2,
        ActionState::Completed => 1,
        ActionState::Skipped => 0,
    }
}

/// The colour of text on a node whose state is shown, also where the rest of the picture is dark.
const INK: &str = "#1b1b1b";

/// The colour of a state, light enough for dark text.
fn colour(state: ActionState) -> &'static str {
    match state {
        ActionState::UndoFailed => "#ff8a80",
        ActionState::Failed => "#ffcdd2",
        ActionState::InDoubt => "#ffd180",
        ActionState::Undoing => "#ffe0b2",
        ActionState::Running => "#bbdefb",
        ActionState::Waiting => "#e3f2fd",
        ActionState::Undone => "#e1bee7",
        ActionState::Resolved => "#d1c4e9",
        ActionState::Pending => "#ffffff",
        ActionState::Completed => "#c8e6c9",
        ActionState::Skipped => "#eeeeee",
    }
}
