//! What can be wrong with a DAG.

use crate::names::{InvalidName, NodeName, SagaName};

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
    /// A node reads the output of another one to decide what it runs, and that one is not there.
    #[error("node '{node}' reads the output of '{input}', which does not exist in dag")]
    NoSuchInput {
        /// The node.
        node: NodeName,
        /// What it reads.
        input: String,
    },
    /// A node reads what stands in a body that is not around it.
    #[error(
        "node '{node}' reads {what} of a body that it is not in; only the nodes of its own body and of those around it are visible"
    )]
    NotVisible {
        /// The node, or the body's last line.
        node: String,
        /// What it reads.
        what: &'static str,
    },
    /// A choice between nothing.
    #[error("node '{0}' chooses between no arms; give it at least one")]
    NoArms(NodeName),
    /// A saga that contains itself.
    #[error("saga contains itself: {}; a subsaga must end somewhere", path(.0))]
    Recursive(Vec<SagaName>),
    /// Something was said of a node that means nothing for it.
    #[error("node '{node}' cannot have a `{what}`: {why}")]
    Misplaced {
        /// The node.
        node: NodeName,
        /// What was said.
        what: &'static str,
        /// Why it means nothing.
        why: &'static str,
    },
    /// Two points of no return.
    #[error("nodes '{first}' and '{second}' are both the pivot; a saga has one at most")]
    TwoPivots {
        /// One of them.
        first: NodeName,
        /// The other one.
        second: NodeName,
    },
    /// A point of no return that need not be reached.
    #[error(
        "node '{pivot}' cannot be the pivot inside '{inside}': the point of no return stands in the saga itself, not in an instance, an arm or a subsaga"
    )]
    PivotInside {
        /// The pivot.
        pivot: NodeName,
        /// The node that it is in.
        inside: NodeName,
    },
    /// A node that may run before or after the point of no return.
    #[error(
        "node '{node}' runs beside the pivot '{pivot}'; put it before or behind the point of no return"
    )]
    PivotBeside {
        /// The pivot.
        pivot: NodeName,
        /// The other node.
        node: NodeName,
    },
    /// A node behind the point of no return that may give up.
    #[error(
        "node '{node}' runs after the pivot '{pivot}', but may give up; use an action with `retry(forever)`, or say so on the node"
    )]
    GivesUp {
        /// The pivot.
        pivot: NodeName,
        /// The path of the other node.
        node: String,
    },
    /// More nodes than the limit.
    #[error("saga `{saga}` has {count} nodes, more than the limit of {limit}; raise `max_nodes`")]
    TooManyNodes {
        /// The saga.
        saga: SagaName,
        /// How many it has.
        count: usize,
        /// How many it may have.
        limit: usize,
    },
    /// More DAGs in one another than another process could read back.
    #[error(
        "node '{node}' holds DAGs in DAGs, more than {limit} deep; declare the saga as a type, which has no such limit"
    )]
    TooDeep {
        /// The node.
        node: NodeName,
        /// How deep they may be.
        limit: usize,
    },
    /// The stored JSON of a DAG does not describe one.
    #[error("the stored DAG does not decode: {0}")]
    BadJson(String),
    /// A stored DAG names an action that is not registered.
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
