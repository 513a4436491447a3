//! Rebuilds a DAG of registered actions from its JSON.

use std::sync::Arc;

use super::export::{DagJson, KindJson, NodeJson};
use super::{AnyBuilder, AnyDag, AnyNode, Dag, DagError, NodeBody};
use crate::action::{ActionRegistry, AnyRegistry};
use crate::names::{NodeIndex, NodeName};

impl<C: Send + Sync + 'static> Dag<C> {
    /// Rebuilds a DAG from its JSON, with the actions of a registry. This works only for DAGs whose actions
    /// look up their inputs by name. A `saga!` consists of closures, and is registered as a type instead.
    ///
    /// # Errors
    /// [`DagError::BadJson`], also if a closure would be needed; [`DagError::Registry`] if an action is not
    /// registered; and those of [`DagBuilder::build`](super::DagBuilder::build).
    pub fn from_json(json: &[u8], actions: &ActionRegistry<C>) -> Result<Self, DagError> {
        AnyDag::from_json(json, actions.any()).map(Self::of_any)
    }
}

impl AnyDag {
    pub(crate) fn from_json(json: &[u8], actions: &AnyRegistry) -> Result<Arc<Self>, DagError> {
        let json: DagJson =
            serde_json::from_slice(json).map_err(|e| DagError::BadJson(e.to_string()))?;
        rebuild(json, actions)
    }
}

fn rebuild(json: DagJson, actions: &AnyRegistry) -> Result<Arc<AnyDag>, DagError> {
    let mut builder = AnyBuilder::with_name(json.name).version(json.version);
    // It was within the limit when it was built.
    builder.max_nodes = usize::MAX;
    for node in json.nodes {
        let after = node.after.iter().map(NodeName::to_string).collect::<Vec<_>>();
        let index = builder.node_exactly(rebuild_node(node, actions)?)?;
        builder.named.extend(after.into_iter().map(|name| (index, name)));
    }
    if let Some(output) = json.output {
        builder.output = Some(output.to_string());
    }
    let dag = builder.build()?;
    for (node, index) in dag.nodes().zip(0..) {
        let Some(input) = node.body.reads() else { continue };
        let there = dag.node_index(input.as_str());
        if !there.is_some_and(|input| dag.is_ancestor(input, NodeIndex(index))) {
            let why = format!(
                "node '{}' reads the output of '{input}' but does not wait for it; add it to `after`",
                node.name
            );
            return Err(DagError::BadJson(why));
        }
    }
    Ok(Arc::new(dag))
}

fn rebuild_node(json: NodeJson, actions: &AnyRegistry) -> Result<AnyNode, DagError> {
    let (name, shown) = (json.name.clone(), json.name);
    let closure = |what: &str| {
        let why = format!("node '{shown}' {what} by a closure; register the saga's type instead");
        DagError::BadJson(why)
    };
    if !json.inputs.is_empty() {
        return Err(closure("is given its inputs"));
    }
    let mut node = match json.kind {
        KindJson::Action { action, .. } => {
            AnyNode::with(name, NodeBody::Action(actions.get(action.as_str())?.clone()))
        }
        KindJson::Constant { value } => AnyNode::stored_constant(name, &value.0)?,
        KindJson::Computed => return Err(closure("is computed")),
        KindJson::Wait { .. } => return Err(closure("is made of an event, or waits for a time,")),
        KindJson::Subsaga { params, dag } => {
            let params = params.ok_or_else(|| closure("is given its parameters"))?;
            AnyNode::subsaga(name, rebuild(dag, actions)?, params)
        }
        KindJson::ForEach { items, body } => {
            let items = items.ok_or_else(|| closure("is given its items"))?;
            AnyNode::for_each(name, rebuild(body, actions)?, items)
        }
        KindJson::Choose { by, arms } => {
            let by = by.ok_or_else(|| closure("is chosen"))?;
            let arms = arms.into_iter().map(|arm| rebuild(arm, actions));
            AnyNode::choose(name, arms.collect::<Result<Vec<_>, _>>()?, by)
        }
        KindJson::Try { parts } => {
            let parts = parts.into_iter().map(|part| rebuild(part, actions));
            let mut parts = parts.collect::<Result<Vec<_>, _>>()?.into_iter();
            match (parts.next(), parts.next(), parts.next()) {
                (Some(body), otherwise, None) => AnyNode::attempt(name, body, otherwise),
                _ => {
                    let why = format!("node '{shown}' must have one part or two");
                    return Err(DagError::BadJson(why));
                }
            }
        }
    };
    node.is_pivot = json.pivot;
    Ok(node.with_stored_options(json.options))
}
