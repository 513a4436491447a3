//! A DAG written out, with the nodes that nobody declares: where it, and each subsaga, begins and ends.

use std::fmt;

use crate::json;

use super::{Dag, NodeBody};
use crate::names::{ActionName, NodeName, SagaName};

/// One node of a DAG that is written out: see [`Dag::internal_nodes`].
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum InternalNode {
    /// Before all others.
    Start,
    /// After all others.
    End,
    /// Runs an action.
    Action {
        /// The node.
        name: NodeName,
        /// What people call it: the label, or else the name.
        label: String,
        /// The action.
        action: ActionName,
    },
    /// Has its value from the start.
    Constant {
        /// The node.
        name: NodeName,
        /// The value, as JSON.
        value: String,
    },
    /// Computes its value from earlier ones.
    Computed {
        /// The node.
        name: NodeName,
    },
    /// Before the nodes of a subsaga.
    SubsagaStart {
        /// The node that holds it.
        name: NodeName,
        /// The subsaga.
        saga: SagaName,
    },
    /// After the nodes of a subsaga; has its output.
    SubsagaEnd {
        /// The node that holds it.
        name: NodeName,
    },
    /// Runs a body for each item; how many there are is known when the saga runs.
    ForEach {
        /// The node.
        name: NodeName,
    },
    /// Runs one of several bodies; which one is known when the saga runs.
    Choose {
        /// The node.
        name: NodeName,
    },
}

impl InternalNode {
    /// What people read: the label of an action, `(start node)`, `(constant = 5)`.
    pub fn label(&self) -> String {
        match self {
            Self::Start => "(start node)".to_string(),
            Self::End => "(end node)".to_string(),
            Self::Action { label, .. } => label.clone(),
            Self::Constant { value, .. } => format!("(constant = {value})"),
            Self::Computed { name } => format!("(computed: {name})"),
            Self::SubsagaStart { saga, .. } => format!("(subsaga start: {saga})"),
            Self::SubsagaEnd { .. } => "(subsaga end)".to_string(),
            Self::ForEach { name } => format!("(for each: {name})"),
            Self::Choose { name } => format!("(choose: {name})"),
        }
    }

    /// The node whose output it has, if it has one.
    pub fn node_name(&self) -> Option<&NodeName> {
        match self {
            Self::Start | Self::End | Self::SubsagaStart { .. } => None,
            Self::Action { name, .. }
            | Self::Constant { name, .. }
            | Self::Computed { name }
            | Self::SubsagaEnd { name }
            | Self::ForEach { name }
            | Self::Choose { name } => Some(name),
        }
    }
}

impl fmt::Debug for InternalNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // its value is the user's
            Self::Constant { name, .. } => write!(f, "(constant: {name})"),
            other => f.write_str(&other.label()),
        }
    }
}

impl<C: Send + Sync + 'static> Dag<C> {
    /// The DAG written out, in an order in which it could run: its nodes, those of its subsagas, and where
    /// each begins and ends.
    ///
    /// ```
    /// use saga_core::dag::{DagBuilder, Node};
    /// let mut inner = DagBuilder::<()>::new("Disk")?;
    /// inner.append(Node::constant("size", 10)?)?;
    /// let mut outer = DagBuilder::new("Machine")?;
    /// outer.append(Node::constant("name", "web".to_string())?)?;
    /// outer.append(Node::subsaga("disk", inner.build()?, "name")?)?;
    /// let labels = outer.build()?.internal_nodes().iter().map(|n| n.label()).collect::<Vec<_>>();
    /// let expected = [
    ///     "(start node)", "(constant = \"web\")",
    ///     "(subsaga start: Disk)", "(constant = 10)", "(subsaga end)", "(end node)",
    /// ];
    /// assert_eq!(labels, expected);
    /// # Ok::<(), saga_core::dag::DagError>(())
    /// ```
    pub fn internal_nodes(&self) -> Vec<InternalNode> {
        let mut nodes = vec![InternalNode::Start];
        self.write_out(&mut nodes);
        nodes.push(InternalNode::End);
        nodes
    }

    fn write_out(&self, nodes: &mut Vec<InternalNode>) {
        for node in self.order().into_iter().filter_map(|place| self.node(place)) {
            let name = node.name().clone();
            let written = match &node.body {
                NodeBody::Action(action) => {
                    let label = node.options.label.clone().unwrap_or_else(|| name.to_string());
                    InternalNode::Action { name, label, action: action.name().clone() }
                }
                NodeBody::Constant { output, .. } => {
                    let value = json::canonical(output.payload.as_bytes());
                    InternalNode::Constant { name, value: value.unwrap_or_default() }
                }
                NodeBody::Computed(_) => InternalNode::Computed { name },
                NodeBody::Subsaga { dag, .. } => {
                    let saga = dag.name().clone();
                    nodes.push(InternalNode::SubsagaStart { name: name.clone(), saga });
                    dag.write_out(nodes);
                    InternalNode::SubsagaEnd { name }
                }
                NodeBody::ForEach(_) => InternalNode::ForEach { name },
                NodeBody::Choose(_) => InternalNode::Choose { name },
            };
            nodes.push(written);
        }
    }
}
