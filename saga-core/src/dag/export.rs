//! A DAG as JSON and its fingerprint, and the way back from JSON for DAGs of registered actions.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    ActionName, Dag, DagBuilder, DagError, Node, NodeBody, NodeIndex, NodeName, SagaName, UndoKind,
};
use crate::definition::Source;
use crate::registry::ActionRegistry;

/// The JSON of a DAG: everything that says which saga it is, and labels.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DagJson {
    name: SagaName,
    nodes: Vec<NodeJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output: Option<NodeName>,
}

#[derive(Debug, Serialize, Deserialize)]
struct NodeJson {
    name: NodeName,
    #[serde(flatten)]
    kind: KindJson,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<InputJson>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    after: Vec<NodeName>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum KindJson {
    Action { action: ActionName, rev: u32, undo: UndoKind },
    Constant { value: serde_json::Value },
    Computed,
    Subsaga { params: NodeName, dag: DagJson },
}

#[derive(Debug, Serialize, Deserialize)]
struct InputJson {
    input: String,
    from: Vec<String>,
}

impl DagJson {
    fn forget_labels(&mut self) {
        for node in &mut self.nodes {
            node.label = None;
            if let KindJson::Subsaga { dag, .. } = &mut node.kind {
                dag.forget_labels();
            }
        }
    }
}

impl<C: Send + Sync + 'static> Dag<C> {
    /// The DAG as JSON: nodes in the order of declaration, with what feeds their inputs and what they wait
    /// for. Two definitions of the same saga give the same JSON.
    pub fn to_json(&self) -> serde_json::Value {
        // names, numbers and JSON values always encode
        serde_json::to_value(self.describe()).unwrap_or_default()
    }

    /// A SHA-256 over what makes the saga this one: names, edges, actions and their revisions, which
    /// nodes feed which input, undo declarations. Not labels, retries or timeouts.
    pub fn fingerprint(&self) -> &str {
        self.fingerprint.get_or_init(|| {
            let mut json = self.describe();
            json.forget_labels();
            let bytes = serde_json::to_vec(&json).unwrap_or_default();
            Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
        })
    }

    fn describe(&self) -> DagJson {
        let name = |n: NodeIndex| self.node(n).map(|node| node.name.clone());
        let nodes = self.nodes().enumerate().map(|(i, node)| NodeJson {
            name: node.name.clone(),
            kind: match &node.body {
                NodeBody::Action(action) => KindJson::Action {
                    action: action.name().clone(),
                    rev: action.revision(),
                    undo: action.policy().undo,
                },
                NodeBody::Constant { output, .. } => KindJson::Constant {
                    value: serde_json::from_slice(output.payload.as_bytes()).unwrap_or_default(),
                },
                NodeBody::Computed(_) => KindJson::Computed,
                NodeBody::Subsaga { dag, params } => {
                    KindJson::Subsaga { params: params.clone(), dag: dag.describe() }
                }
            },
            label: node.label.clone(),
            inputs: node
                .inputs
                .iter()
                .map(|(input, from)| InputJson {
                    input: input.to_string(),
                    from: from
                        .iter()
                        .filter_map(|source| match source {
                            Source::Param(param) => Some(format!("({param})")),
                            Source::Node(node) => name(*node).map(String::from),
                        })
                        .collect(),
                })
                .collect(),
            after: self.predecessors(NodeIndex(i as u32)).filter_map(name).collect(),
        });
        DagJson {
            name: self.name.clone(),
            nodes: nodes.collect(),
            output: self.output.and_then(name),
        }
    }

    /// A DAG from its JSON, with the actions of a registry. Only for DAGs of actions that look up their
    /// inputs themselves; a `saga!` has closures, and is registered as a type.
    ///
    /// # Errors
    /// [`DagError::BadJson`], [`DagError::Registry`] for an action that is not registered, and those of
    /// [`DagBuilder::build`].
    pub fn from_json(json: &[u8], actions: &ActionRegistry<C>) -> Result<Self, DagError> {
        let bad = |e: &dyn std::fmt::Display| DagError::BadJson(e.to_string());
        let json: DagJson = serde_json::from_slice(json).map_err(|e| bad(&e))?;
        Self::from_description(json, actions)
    }

    fn from_description(json: DagJson, actions: &ActionRegistry<C>) -> Result<Self, DagError> {
        let bad = |e: &dyn std::fmt::Display| DagError::BadJson(e.to_string());
        let mut builder = DagBuilder::new(json.name.as_str())?;
        builder.max_nodes(json.nodes.len());
        for node in json.nodes {
            if !node.inputs.is_empty() {
                return Err(bad(&format!("node '{}' has bound inputs", node.name)));
            }
            let mut new = match node.kind {
                KindJson::Action { action, .. } => {
                    Node::shared_action(node.name.as_str(), actions.get(action.as_str())?)?
                }
                KindJson::Constant { value } => Node::constant(node.name.as_str(), value)?,
                KindJson::Subsaga { params, dag } => {
                    let dag = Self::from_description(dag, actions)?;
                    Node::subsaga(node.name.as_str(), dag, params.as_str())?
                }
                KindJson::Computed => {
                    return Err(bad(&format!("node '{}' is computed by a closure", node.name)));
                }
            };
            new.label = node.label;
            let after = node.after.into_iter().map(String::from).collect::<Vec<_>>();
            builder.node(new)?.after(after);
        }
        let output = json.output.map(String::from);
        if let Some(output) = output {
            builder.output(output);
        }
        builder.build()
    }
}

/// The name that was probably meant.
pub(super) fn nearest<'a>(
    wrong: &str,
    names: impl Iterator<Item = &'a NodeName>,
) -> Option<&'a NodeName> {
    let near = |name: &&NodeName| {
        let distance = strsim::osa_distance(wrong, name.as_str());
        let longest = wrong.chars().count().max(name.as_str().chars().count());
        (distance <= (longest / 3).max(1)).then_some(distance)
    };
    names.filter_map(|name| near(&name).map(|d| (d, name))).min_by_key(|(d, _)| *d).map(|(_, n)| n)
}
