//! The errors of a definition.

use crate::names::{InvalidName, NodeName, SagaName};

/// What is wrong with a DAG.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DagError {
    /// A stage without nodes.
    #[error("empty stage")]
    EmptyStage,
    /// Two nodes with the same name.
    #[error("node with name '{0}' already exists")]
    AlreadyExists(NodeName),
    /// A subsaga takes its parameters from a node that does not exist.
    #[error("bad subsaga params, node with name '{0}' does not exist in dag")]
    BadSubsagaParams(String),
    /// There are no nodes to start with.
    #[error("DAG has no root nodes")]
    NoRoots,
    /// An output is required, none was named, and there is not exactly one last node.
    #[error("DAG must end with exactly one leaf node, this one has {}: {}; name the output", .0.len(), list(.0))]
    LeafCount(Vec<NodeName>),
    /// Nodes wait for each other.
    #[error("circular dependency: {}", path(.0))]
    Circular(Vec<NodeName>),
    /// No node has this name.
    #[error("saga has no node named \"{name}\"{} (its nodes: {known})", meant(.nearest))]
    NoSuchNode {
        /// The name.
        name: String,
        /// The most similar name of a node.
        nearest: Option<NodeName>,
        /// All names, separated by commas.
        known: String,
    },
    /// A name is not valid.
    #[error(transparent)]
    InvalidName(#[from] InvalidName),
    /// A constant cannot be stored.
    #[error("constant '{node}' cannot be stored: {why}")]
    Constant {
        /// The node.
        node: String,
        /// What went wrong.
        why: String,
    },
    /// The calls of `end()` do not match those of `parallel()` and `branch()`.
    #[error("{0}")]
    Unbalanced(&'static str),
    /// A node decides by the output of another node, which does not exist.
    #[error("node '{node}' reads the output of '{input}', which does not exist in dag")]
    NoSuchInput {
        /// The node.
        node: NodeName,
        /// What it reads.
        input: String,
    },
    /// A node reads from a body that does not enclose it.
    #[error(
        "node '{node}' reads {what} of a body that it is not in; only the nodes of its own body and of the enclosing ones are visible"
    )]
    NotVisible {
        /// The node, or the body's last line.
        node: String,
        /// What it reads.
        what: &'static str,
    },
    /// A choice has no arms.
    #[error("node '{0}' chooses between no arms; give it at least one")]
    NoArms(NodeName),
    /// A `select` cannot be decided.
    #[error("node '{node}' is no `select`: {why}")]
    BadSelect {
        /// The node.
        node: NodeName,
        /// What is wrong with its arms.
        why: &'static str,
    },
    /// A saga contains itself.
    #[error("saga contains itself: {}; a subsaga must end somewhere", path(.0))]
    Recursive(Vec<SagaName>),
    /// A node has an option that has no meaning for it.
    #[error("node '{node}' cannot have a `{what}`: {why}")]
    Misplaced {
        /// The node.
        node: NodeName,
        /// The option.
        what: &'static str,
        /// Why it has no meaning.
        why: &'static str,
    },
    /// There are two points of no return.
    #[error("nodes '{first}' and '{second}' are both the pivot; a saga has one at most")]
    TwoPivots {
        /// The type of the items.
        first: NodeName,
        /// The other one.
        second: NodeName,
    },
    /// The point of no return is inside a composite node, so it may not be reached.
    #[error(
        "node '{pivot}' cannot be the pivot inside '{inside}': the point of no return must be in the saga itself, not in an instance, an arm or a subsaga"
    )]
    PivotInside {
        /// The pivot.
        pivot: NodeName,
        /// The node that contains it.
        inside: NodeName,
    },
    /// A node may run before or after the point of no return.
    #[error(
        "node '{node}' may run at the same time as the pivot '{pivot}'; put it before or after the point of no return"
    )]
    PivotBeside {
        /// The pivot.
        pivot: NodeName,
        /// The other node.
        node: NodeName,
    },
    /// A node after the point of no return may give up.
    #[error(
        "node '{node}' runs after the pivot '{pivot}', but may give up; use an action with `retry(forever)`, or say so on the node"
    )]
    GivesUp {
        /// The pivot.
        pivot: NodeName,
        /// The path of the other node.
        node: String,
    },
    /// There are more nodes than the limit.
    #[error("saga `{saga}` has {count} nodes, more than the limit of {limit}; raise `max_nodes`")]
    TooManyNodes {
        /// The saga.
        saga: SagaName,
        /// How many it has.
        count: usize,
        /// How many it may have.
        limit: usize,
    },
    /// DAGs are nested more deeply than another process could read back.
    #[error(
        "node '{node}' nests DAGs more than {limit} deep; declare the saga as a type, which has no such limit"
    )]
    TooDeep {
        /// The node.
        node: NodeName,
        /// How deep they may be.
        limit: usize,
    },
    /// The stored JSON does not describe a DAG.
    #[error("the stored DAG does not decode: {0}")]
    BadJson(String),
    /// A stored DAG refers to an action that is not registered.
    #[error(transparent)]
    Registry(#[from] crate::error::RegistryError),
}

fn list(names: &[NodeName]) -> String {
    names.iter().map(NodeName::as_str).collect::<Vec<_>>().join(", ")
}

fn path<N: std::fmt::Display>(names: &[N]) -> String {
    names.iter().map(N::to_string).collect::<Vec<_>>().join(" -> ")
}

fn meant(nearest: &Option<NodeName>) -> String {
    nearest.as_ref().map(|n| format!("; did you mean \"{n}\"?")).unwrap_or_default()
}
