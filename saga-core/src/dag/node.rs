//! One node of a DAG, and what it runs.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::step::{BoundAction, BoundValue};
use super::{ActionName, Dag, InvalidName, NodeName, PlanKind};
use crate::action::{Action, ActionData, ActionOutput};
use crate::context::ActionContext;
use crate::definition::{Done, Scope, Shape, Source};
use crate::error::ActionError;
use crate::log::Payload;

/// A node of a [`Dag`](super::Dag).
pub struct Node<C> {
    pub(crate) name: NodeName,
    pub(crate) label: Option<String>,
    pub(crate) body: NodeBody<C>,
    /// Which sources feed which input, for readers and the fingerprint.
    pub(crate) inputs: Vec<(&'static str, Vec<Source>)>,
}

/// What a node runs.
pub(crate) enum NodeBody<C> {
    Action(Arc<dyn Action<C>>),
    Constant {
        output: ActionOutput,
        decode: fn(&Payload) -> Result<ActionOutput, ActionError>,
    },
    Computed(Arc<dyn Compute<C>>),
    /// Another DAG in this node's place; its parameters are the output of the node named `params`.
    Subsaga {
        dag: Arc<Dag<C>>,
        params: NodeName,
    },
}

impl<C> Clone for NodeBody<C> {
    fn clone(&self) -> Self {
        match self {
            Self::Action(action) => Self::Action(action.clone()),
            Self::Constant { output, decode } => {
                Self::Constant { output: output.clone(), decode: *decode }
            }
            Self::Computed(compute) => Self::Computed(compute.clone()),
            Self::Subsaga { dag, params } => {
                Self::Subsaga { dag: dag.clone(), params: params.clone() }
            }
        }
    }
}

impl<C> Clone for Node<C> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            label: self.label.clone(),
            body: self.body.clone(),
            inputs: self.inputs.clone(),
        }
    }
}

/// A value that follows from earlier outputs.
pub(crate) trait Compute<C>: Send + Sync {
    fn compute(&self, cx: ActionContext<C>) -> Result<ActionOutput, ActionError>;
    fn decode(&self, payload: &Payload) -> Result<ActionOutput, ActionError>;
}

impl<C: Send + Sync + 'static> Node<C> {
    /// A node that runs an action, which looks up its inputs by name (`cx.lookup`).
    ///
    /// # Errors
    /// [`InvalidName`] if the name cannot be a node's.
    pub fn action(name: impl AsRef<str>, action: impl Action<C>) -> Result<Self, InvalidName> {
        Self::shared_action(name, Arc::new(action))
    }

    /// The same for an action that is in a registry or in several nodes.
    ///
    /// # Errors
    /// [`InvalidName`] if the name cannot be a node's.
    pub fn shared_action(
        name: impl AsRef<str>,
        action: Arc<dyn Action<C>>,
    ) -> Result<Self, InvalidName> {
        Ok(Self::with(NodeName::new(name)?, NodeBody::Action(action)))
    }

    /// A node that has its value from the start.
    ///
    /// # Errors
    /// [`DagError::InvalidName`](super::DagError::InvalidName) if the name cannot be a node's,
    /// [`DagError::Constant`](super::DagError::Constant) if the value cannot be encoded.
    pub fn constant<T: ActionData>(
        name: impl AsRef<str>,
        value: T,
    ) -> Result<Self, super::DagError> {
        let name = NodeName::new(name)?;
        let output = ActionOutput::new(value).map_err(|e| super::DagError::Constant {
            node: name.to_string(),
            why: e.to_string(),
        })?;
        Ok(Self::with(name, NodeBody::Constant { output, decode: ActionOutput::decode::<T> }))
    }

    /// A node that runs another DAG, whose parameters are the output of an earlier node. The names inside
    /// are its own; its output is this node's.
    ///
    /// # Errors
    /// [`InvalidName`] if a name cannot be a node's.
    pub fn subsaga(
        name: impl AsRef<str>,
        dag: impl Into<Arc<Dag<C>>>,
        params: impl AsRef<str>,
    ) -> Result<Self, InvalidName> {
        let body = NodeBody::Subsaga { dag: dag.into(), params: NodeName::new(params)? };
        Ok(Self::with(NodeName::new(name)?, body))
    }

    /// The same node with a label for humans.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    fn with(name: NodeName, body: NodeBody<C>) -> Self {
        Self { name, label: None, body, inputs: Vec::new() }
    }

    /// The node of a typed step.
    pub(crate) fn step<H, F>(
        name: NodeName,
        inputs: Vec<(&'static str, Vec<Source>)>,
        closure: F,
    ) -> Result<Self, InvalidName>
    where
        H: Shape<C> + 'static,
        F: for<'s> Fn(&'s Scope<C>) -> BoxFuture<'s, Done<H>> + Send + Sync + 'static,
    {
        let sources = inputs.iter().flat_map(|(_, sources)| sources).copied().collect();
        let (label, body) = match H::action() {
            None => (None, NodeBody::Computed(Arc::new(BoundValue::new(sources, closure)) as _)),
            Some(spec) => {
                let action = BoundAction::new(spec, sources, closure)?;
                (spec.label.map(str::to_string), NodeBody::Action(Arc::new(action) as _))
            }
        };
        Ok(Self { name, label, body, inputs })
    }
}

impl<C: 'static> Node<C> {
    /// The node's name.
    pub fn name(&self) -> &NodeName {
        &self.name
    }

    /// The action that it runs, if it runs one.
    pub fn action_name(&self) -> Option<&ActionName> {
        match &self.body {
            NodeBody::Action(action) => Some(action.name()),
            _ => None,
        }
    }

    pub(crate) fn decode(&self, payload: &Payload) -> Result<ActionOutput, ActionError> {
        match &self.body {
            NodeBody::Action(action) => action.decode(payload),
            NodeBody::Constant { decode, .. } => decode(payload),
            NodeBody::Computed(compute) => compute.decode(payload),
            NodeBody::Subsaga { dag, .. } => match dag.output().and_then(|node| dag.node(node)) {
                Some(node) => node.decode(payload),
                None => ActionOutput::decode::<()>(payload),
            },
        }
    }

    pub(crate) fn kind(&self) -> PlanKind {
        match &self.body {
            NodeBody::Action(action) => PlanKind::Action(action.policy()),
            NodeBody::Constant { .. } | NodeBody::Computed(_) => PlanKind::Value,
            NodeBody::Subsaga { dag, .. } => PlanKind::Subsaga(dag.plan().clone()),
        }
    }
}

impl<C: 'static> fmt::Debug for Node<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("name", &self.name)
            .field("action", &self.action_name())
            .finish_non_exhaustive()
    }
}
