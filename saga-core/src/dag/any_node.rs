//! A node, whatever the type of the context.

use std::fmt;
use std::sync::Arc;

use super::AnyDag;
use super::composite::{
    Choose, CompositeInput, ForEach, Try, gather_arm, gather_list, gather_part, gather_result,
};
use super::node_body::NodeBody;
use super::options::{Misplaced, NodeOptions};
use crate::action::{AnyAction, Timeouts};
use crate::error::ActionError;
use crate::log::Payload;
use crate::names::{ActionName, NodeName, Source};
use crate::panics;
use crate::plan::{Plan, PlanKind};
use crate::value::{ActionData, ActionOutput, OutputType};

/// What a [`Node`](super::Node) is besides the type of the context that its action takes. The nodes of a finished DAG
/// are read as these.
#[derive(Clone)]
pub struct AnyNode {
    pub(crate) name: NodeName,
    pub(crate) body: NodeBody,
    /// The sources of each input, for readers and for the fingerprint.
    pub(crate) inputs: Vec<(&'static str, Vec<Source>)>,
    pub(crate) options: NodeOptions,
    /// The point of no return.
    pub(crate) is_pivot: bool,
    /// An option that has no meaning for this kind of node.
    pub(super) misplaced: Option<Misplaced>,
}

impl AnyNode {
    pub(crate) fn with(name: NodeName, body: NodeBody) -> Self {
        let (inputs, options) = (Vec::new(), NodeOptions::default());
        Self { name, body, inputs, options, is_pivot: false, misplaced: None }
    }

    /// A node that has a constant value.
    pub(crate) fn constant<T: ActionData>(
        name: NodeName,
        value: T,
    ) -> Result<Self, super::DagError> {
        let output = ActionOutput::new(value).map_err(|e| super::DagError::Constant {
            node: name.to_string(),
            why: e.to_string(),
        })?;
        let (output_type, decode) = (OutputType::of::<T>(), ActionOutput::decode::<T>);
        let body = NodeBody::Constant { output, output_type, decode };
        Ok(Self::with(name, body))
    }

    /// The same with a JSON value.
    pub(crate) fn stored_constant(
        name: NodeName,
        value: &Payload,
    ) -> Result<Self, super::DagError> {
        let decode = ActionOutput::decode::<serde_json::Value>;
        let output = decode(value).map_err(|e| super::DagError::Constant {
            node: name.to_string(),
            why: e.to_string(),
        })?;
        let output_type = OutputType::of::<serde_json::Value>();
        Ok(Self::with(name, NodeBody::Constant { output, output_type, decode }))
    }

    /// A node that runs another DAG.
    pub(super) fn subsaga(name: NodeName, dag: Arc<AnyDag>, params: NodeName) -> Self {
        let params = CompositeInput::Output(params);
        Self::with(name, NodeBody::Subsaga { dag, params })
    }

    /// A node that runs a DAG once for each item of a list.
    pub(super) fn for_each(name: NodeName, body: Arc<AnyDag>, items: NodeName) -> Self {
        let items = CompositeInput::Output(items);
        Self::with(name, NodeBody::ForEach(ForEach { body, items, gather: gather_list }))
    }

    /// A node that runs one of several DAGs.
    pub(super) fn choose(name: NodeName, arms: Vec<Arc<AnyDag>>, by: NodeName) -> Self {
        let by = CompositeInput::Output(by);
        Self::with(name, NodeBody::Choose(Choose { arms, by, gather: gather_arm }))
    }

    /// A node that runs a DAG, and another one if a node of the first fails for good.
    pub(super) fn attempt(
        name: NodeName,
        body: Arc<AnyDag>,
        otherwise: Option<Arc<AnyDag>>,
    ) -> Self {
        let gather = if otherwise.is_some() { gather_part } else { gather_result };
        let parts = [body].into_iter().chain(otherwise).collect();
        Self::with(name, NodeBody::Try(Try { parts, gather }))
    }

    /// How long an attempt of its action, and of the undo, may take.
    pub(crate) fn timeouts(&self, action: &AnyAction) -> Timeouts {
        self.options.timeouts(action.timeouts())
    }

    /// The node's name.
    pub fn name(&self) -> &NodeName {
        &self.name
    }

    /// The name of its action, if it runs one.
    pub fn action_name(&self) -> Option<&ActionName> {
        self.body.action().map(|action| action.name())
    }

    /// Decodes the stored output of the node; that of a composite node is not stored.
    pub(crate) fn decode(&self, payload: &Payload) -> Result<ActionOutput, ActionError> {
        match &self.body {
            NodeBody::Action(action) => panics::contain(|| action.decode(payload))
                .unwrap_or_else(|message| Err(ActionError::Panicked { message })),
            NodeBody::Constant { decode, .. } => decode(payload),
            NodeBody::Computed(compute) => compute.decode(payload),
            NodeBody::Wait(wait) => wait.decode(payload),
            NodeBody::Subsaga { .. }
            | NodeBody::ForEach(_)
            | NodeBody::Choose(_)
            | NodeBody::Try(_) => {
                let message = "this node has no output of its own".to_string();
                Err(ActionError::DeserializeFailed { message })
            }
        }
    }

    pub(crate) fn kind(&self) -> PlanKind {
        match &self.body {
            NodeBody::Action(action) => PlanKind::Action(self.options.policy(action.policy())),
            NodeBody::Constant { .. } | NodeBody::Computed(_) => PlanKind::Value,
            NodeBody::Wait(wait) => PlanKind::Wait(wait.alternatives()),
            NodeBody::Subsaga { dag, .. } => PlanKind::Subsaga(dag.plan().clone()),
            NodeBody::ForEach(each) => {
                PlanKind::ForEach { body: part(&each.body), concurrency: self.options.concurrency }
            }
            NodeBody::Choose(choose) => {
                PlanKind::Choose(choose.arms.iter().map(|arm| part(arm)).collect())
            }
            NodeBody::Try(attempt) => {
                let mut parts = attempt.parts.iter().map(|dag| part(dag));
                match parts.next() {
                    Some(body) => PlanKind::Try { body, otherwise: parts.next() },
                    None => PlanKind::Value,
                }
            }
        }
    }
}

/// The plan of an instance or arm. If it consists of one step, that step has no name of its own in node paths.
fn part(dag: &AnyDag) -> Arc<Plan> {
    match dag.plan().nodes() {
        [only] => Arc::new(Plan::inline(only.clone())),
        _ => dag.plan().clone(),
    }
}

impl fmt::Debug for AnyNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("name", &self.name)
            .field("action", &self.action_name())
            .finish_non_exhaustive()
    }
}
