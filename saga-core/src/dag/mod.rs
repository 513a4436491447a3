//! What a saga consists of: nodes, and which of them wait for which.

mod blocks;
mod builder;
mod export;
mod names;
mod node;
mod plan;
mod policy;
mod saga_dag;
mod step;
mod topology;
mod typed;

use std::fmt;
use std::sync::{Arc, OnceLock};

use petgraph::Direction;
use petgraph::graph::DiGraph;

pub use builder::{DagBuilder, Placed};
pub use names::{ActionName, InvalidName, NodeIndex, NodeName, SagaName};
pub use node::Node;
pub(crate) use node::NodeBody;
pub use plan::{Plan, PlanKind, PlanNode};
pub use policy::{Policy, Retry, UndoKind};
pub use saga_dag::SagaDag;

use crate::action::Action;
use crate::definition::Saga;

/// A finished DAG: checked, immutable, shared by all runs of the saga.
pub struct Dag<C> {
    name: SagaName,
    graph: DiGraph<Node<C>, (), u32>,
    /// The place of each node in a topological order.
    ranks: Vec<u32>,
    output: Option<NodeIndex>,
    place: &'static str,
    plan: Arc<Plan>,
    fingerprint: OnceLock<String>,
}

/// What is wrong with a DAG.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DagError {
    /// A stage without nodes.
    #[error("empty stage")]
    EmptyStage,
    /// Two nodes of one name.
    #[error("node with name '{0}' already exists")]
    AlreadyExists(NodeName),
    /// A subsaga takes its parameters from a node that is not there.
    #[error("bad subsaga params, node with name '{0}' does not exist in dag")]
    BadSubsagaParams(String),
    /// There is nothing to start with.
    #[error("DAG has no root nodes")]
    NoRoots,
    /// An output is asked for, none was named, and there is not one last node.
    #[error("DAG must end with exactly one leaf node, this one has {}: {}; name the output", .0.len(), list(.0))]
    LeafCount(Vec<NodeName>),
    /// Nodes that wait for each other.
    #[error("circular dependency: {}", path(.0))]
    Circular(Vec<NodeName>),
    /// A name that no node has.
    #[error("saga has no node named \"{name}\"{} (its nodes: {known})", meant(.nearest))]
    NoSuchNode {
        /// The name.
        name: String,
        /// The most similar name of a node.
        nearest: Option<NodeName>,
        /// All names, separated by commas.
        known: String,
    },
    /// A name that cannot be one.
    #[error(transparent)]
    InvalidName(#[from] InvalidName),
    /// A constant that cannot be encoded.
    #[error("constant '{node}' cannot be stored: {why}")]
    Constant {
        /// The node.
        node: String,
        /// What went wrong.
        why: String,
    },
    /// More `end()` than `parallel()` and `branch()`, or fewer.
    #[error("{0}")]
    Unbalanced(&'static str),
    /// More nodes than the limit.
    #[error("saga `{saga}` has {count} nodes, more than the limit of {limit}")]
    TooManyNodes {
        /// The saga.
        saga: SagaName,
        /// How many it has.
        count: usize,
        /// How many it may have.
        limit: usize,
    },
    /// The stored JSON of a DAG does not describe one.
    #[error("the stored DAG does not decode: {0}")]
    BadJson(String),
    /// A stored DAG names an action that is not registered.
    #[error(transparent)]
    Registry(#[from] crate::registry::RegistryError),
}

fn list(names: &[NodeName]) -> String {
    names.iter().map(NodeName::as_str).collect::<Vec<_>>().join(", ")
}

fn path(names: &[NodeName]) -> String {
    names.iter().map(NodeName::as_str).collect::<Vec<_>>().join(" -> ")
}

fn meant(nearest: &Option<NodeName>) -> String {
    nearest.as_ref().map(|n| format!("; did you mean \"{n}\"?")).unwrap_or_default()
}

impl<C: Send + Sync + 'static> Dag<C> {
    /// The DAG of a saga that was declared with `saga!` or by hand.
    ///
    /// # Errors
    /// [`DagError`] if the definition is not a DAG; `saga!` leaves no way to write one that isn't.
    pub fn of<S: Saga<Context = C>>() -> Result<Self, DagError> {
        let mut builder = DagBuilder::new(S::NAME)?;
        builder.place = S::PLACE;
        let end = S::define(&mut builder);
        builder.finish(end.node)
    }
}

impl<C: 'static> Dag<C> {
    /// The saga's durable name.
    pub fn name(&self) -> &SagaName {
        &self.name
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.graph.node_count()
    }

    /// True for a DAG without nodes, which cannot be built.
    pub fn is_empty(&self) -> bool {
        self.graph.node_count() == 0
    }

    /// The nodes, in the order of declaration.
    pub fn nodes(&self) -> impl Iterator<Item = &Node<C>> {
        self.graph.node_weights()
    }

    /// The node at a place.
    pub fn node(&self, index: NodeIndex) -> Option<&Node<C>> {
        self.graph.node_weight(index.0.into())
    }

    /// The place of the node with this name.
    pub fn node_index(&self, name: &str) -> Option<NodeIndex> {
        self.plan.find(name).map(NodeIndex)
    }

    /// The node whose output is the saga's, if it has one.
    pub fn output(&self) -> Option<NodeIndex> {
        self.output
    }

    /// The nodes that this one waits for.
    pub fn predecessors(&self, node: NodeIndex) -> impl Iterator<Item = NodeIndex> {
        self.neighbors(node, Direction::Incoming)
    }

    /// The nodes that wait for this one.
    pub fn successors(&self, node: NodeIndex) -> impl Iterator<Item = NodeIndex> {
        self.neighbors(node, Direction::Outgoing)
    }

    fn neighbors(&self, node: NodeIndex, way: Direction) -> impl Iterator<Item = NodeIndex> {
        let mut all = self
            .graph
            .neighbors_directed(node.0.into(), way)
            .map(|n| NodeIndex(n.index() as u32))
            .collect::<Vec<_>>();
        all.sort_unstable();
        all.into_iter()
    }

    /// True if `ancestor` has always completed before `node` starts.
    pub fn is_ancestor(&self, ancestor: NodeIndex, node: NodeIndex) -> bool {
        let rank = |n: NodeIndex| self.ranks.get(n.index()).copied();
        let Some(floor) = rank(ancestor) else { return false };
        let mut seen = std::collections::HashSet::new();
        let mut todo = vec![node];
        while let Some(n) = todo.pop() {
            for pred in self.graph.neighbors_directed(n.0.into(), Direction::Incoming) {
                let pred = NodeIndex(pred.index() as u32);
                if pred == ancestor {
                    return true;
                }
                // below the ancestor's rank there is no way back up to it
                if rank(pred) > Some(floor) && seen.insert(pred) {
                    todo.push(pred);
                }
            }
        }
        false
    }

    /// The shape alone, as the machine sees it.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The actions of all nodes, those of subsagas included.
    pub(crate) fn actions(&self) -> Vec<&Arc<dyn Action<C>>> {
        let mut actions = Vec::new();
        let mut dags = vec![self];
        while let Some(dag) = dags.pop() {
            for node in dag.nodes() {
                match &node.body {
                    NodeBody::Action(action) => actions.push(action),
                    NodeBody::Subsaga { dag, .. } => dags.push(dag),
                    NodeBody::Constant { .. } | NodeBody::Computed(_) => {}
                }
            }
        }
        actions
    }

    /// Where it is written, as `file:line`; empty for a DAG that was built at run time.
    pub fn place(&self) -> &'static str {
        self.place
    }
}

impl<C: 'static> fmt::Debug for Dag<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.nodes().map(Node::name).collect::<Vec<_>>();
        f.debug_struct("Dag")
            .field("name", &self.name)
            .field("nodes", &names)
            .finish_non_exhaustive()
    }
}
