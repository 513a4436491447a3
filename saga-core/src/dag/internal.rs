//! A DAG written out as a list, with nodes that are not declared: the start and end of the saga and of each
//! subsaga.

use std::fmt;

use crate::json;

use super::{AnyDag, NodeBody};
use crate::names::{ActionName, NodeName, SagaName};

/// One node of the list that [`AnyDag::internal_nodes`] returns.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum InternalNode {
    /// The start of the saga.
    Start,
    /// The end of the saga.
    End,
    /// Runs an action.
    Action {
        /// The node.
        name: NodeName,
        /// What to show to people: the label, or else the name.
        label: String,
        /// The action.
        action: ActionName,
    },
    /// Has a constant value.
    Constant {
        /// The node.
        name: NodeName,
        /// The value, as JSON.
        value: String,
    },
    /// Computes its value from earlier outputs.
    Computed {
        /// The node.
        name: NodeName,
    },
    /// The start of a subsaga.
    SubsagaStart {
        /// The node that runs it.
        name: NodeName,
        /// The subsaga.
        saga: SagaName,
    },
    /// The end of a subsaga, which has its output.
    SubsagaEnd {
        /// The node that runs it.
        name: NodeName,
    },
    /// Runs a body for each item. The number of items is only known when the saga runs.
    ForEach {
        /// The node.
        name: NodeName,
    },
    /// Waits for an event or a time.
    Wait {
        /// The node.
        name: NodeName,
    },
    /// Runs one of several arms. Which one is only known when the saga runs.
    Choose {
        /// The node.
        name: NodeName,
    },
    /// Runs a body, and something else if it fails.
    Try {
        /// The node.
        name: NodeName,
    },
}

impl InternalNode {
    /// The text to show to people: the label of an action, `(start node)`, `(constant = 5)`.
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
            Self::Wait { name } => format!("(wait: {name})"),
            Self::Try { name } => format!("(try: {name})"),
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
            | Self::Choose { name }
            | Self::Wait { name }
            | Self::Try { name } => Some(name),
        }
    }
}

impl fmt::Debug for InternalNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The value is the user's data.
            Self::Constant { name, .. } => write!(f, "(constant: {name})"),
            Self::Start
            | Self::End
            | Self::Action { .. }
            | Self::Computed { .. }
            | Self::SubsagaStart { .. }
            | Self::SubsagaEnd { .. }
            | Self::ForEach { .. }
            | Self::Choose { .. }
            | Self::Wait { .. }
            | Self::Try { .. } => f.write_str(&self.label()),
        }
    }
}

impl AnyDag {
    /// Lists the nodes in an order in which they could run, with those of subsagas, and with the start and end
    /// of the saga and of each subsaga.
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
                NodeBody::Wait(_) => InternalNode::Wait { name },
                NodeBody::Try(_) => InternalNode::Try { name },
            };
            nodes.push(written);
        }
    }
}
