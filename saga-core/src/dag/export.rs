//! A DAG as JSON, and its fingerprint.

#[cfg(feature = "testing")]
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::any_builder::FIRST_VERSION;
use super::options::NodeOptions;
use super::{AnyDag, AnyNode, NodeBody};
use crate::json;
use crate::log::{Payload, RawJson};
use crate::names::Source;
use crate::names::{ActionName, NodeIndex, NodeName, SagaName};
use crate::plan::Alternative;
use crate::policy::{DatabaseKind, UndoContract};

/// The JSON of a DAG: everything that identifies the saga, and the options of its nodes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DagJson {
    pub(super) name: SagaName,
    /// Left out if it is the first one.
    #[serde(default = "first_version", skip_serializing_if = "is_first_version")]
    pub(super) version: u32,
    pub(super) nodes: Vec<NodeJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) output: Option<NodeName>,
}

fn first_version() -> u32 {
    FIRST_VERSION
}

fn is_first_version(version: &u32) -> bool {
    *version == FIRST_VERSION
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct NodeJson {
    pub(super) name: NodeName,
    #[serde(flatten)]
    pub(super) kind: KindJson,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) pivot: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) inputs: Vec<InputJson>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) after: Vec<NodeName>,
    /// The fingerprint leaves them out.
    #[serde(flatten)]
    pub(super) options: NodeOptions,
    /// What else people want to see that the fingerprint leaves out. No store has it.
    #[cfg(feature = "testing")]
    #[serde(skip)]
    pub(super) notes: Notes,
}

/// What the node runs with, by name and in words.
#[cfg(feature = "testing")]
pub(super) type Notes = BTreeMap<String, String>;

/// The note that has the type of the node's output.
#[cfg(feature = "testing")]
pub(super) const RETURNS: &str = "returns";

/// A composite node decides by the output of the node that is named here, or else by a closure.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum KindJson {
    Action {
        action: ActionName,
        rev: u32,
        undo: UndoContract,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        undo_on_failure: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        transaction: Option<DatabaseKind>,
        /// The keys of earlier attempts follow from it and the log, so a saga keeps what it began with.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        fresh_key: bool,
    },
    Constant {
        value: RawJson,
    },
    Computed,
    Subsaga {
        #[serde(skip_serializing_if = "Option::is_none")]
        params: Option<NodeName>,
        dag: DagJson,
    },
    ForEach {
        #[serde(skip_serializing_if = "Option::is_none")]
        items: Option<NodeName>,
        body: DagJson,
    },
    Choose {
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<NodeName>,
        arms: Vec<DagJson>,
    },
    /// The times of its timers are no part of it.
    Wait {
        #[serde(rename = "for")]
        alternatives: Vec<Alternative>,
    },
    Try {
        /// The body, and the `else` if there is one.
        parts: Vec<DagJson>,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct InputJson {
    pub(super) input: String,
    pub(super) from: Vec<String>,
}

impl DagJson {
    pub(super) fn fingerprint(mut self) -> String {
        self.forget_the_rest();
        let bytes = serde_json::to_vec(&self).unwrap_or_default();
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Keeps only what identifies the saga.
    fn forget_the_rest(&mut self) {
        for node in &mut self.nodes {
            node.options = NodeOptions::default();
            node.kind.forget_the_rest();
        }
    }
}

impl KindJson {
    pub(super) fn forget_the_rest(&mut self) {
        match self {
            Self::Action { .. } | Self::Computed | Self::Wait { .. } => {}
            Self::Constant { value: RawJson(value) } => {
                if let Some(text) = json::canonical(value.as_bytes()) {
                    *value = Payload::from(text.into_bytes());
                }
            }
            Self::Subsaga { dag: part, .. } | Self::ForEach { body: part, .. } => {
                part.forget_the_rest();
            }
            Self::Choose { arms: parts, .. } | Self::Try { parts } => {
                parts.iter_mut().for_each(DagJson::forget_the_rest);
            }
        }
    }
}

impl AnyDag {
    /// The DAG as JSON: the nodes in order of declaration, with the sources of their inputs, the nodes that
    /// they wait for, and the DAGs that they contain. Two definitions of the same saga give the same JSON.
    ///
    /// A [`Value`](serde_json::Value) cannot hold integers beyond `u64`, and rounds those in constants;
    /// [`to_json_text`](Self::to_json_text) does not.
    pub fn to_json(&self) -> serde_json::Value {
        // Names, numbers and JSON values can always be encoded.
        serde_json::to_value(self.describe(&[])).unwrap_or_default()
    }

    /// The DAG as JSON text, with the values of constants exactly as they are written. This is what a store
    /// keeps, and what [`from_json`](super::Dag::from_json) reads.
    ///
    /// ```
    /// use saga_core::dag::{Dag, DagBuilder, Node};
    /// let wei = 1_000_000_000_000_000_000_001_u128;
    /// let mut dag = DagBuilder::<()>::new("Pay")?;
    /// dag.append(Node::constant("wei", wei)?)?;
    /// let text = dag.build()?.to_json_text();
    /// assert!(text.contains(&wei.to_string()));
    /// let again = Dag::<()>::from_json(text.as_bytes(), &Default::default())?;
    /// assert_eq!(again.to_json_text(), text);
    /// # Ok::<(), saga_core::dag::DagError>(())
    /// ```
    pub fn to_json_text(&self) -> String {
        serde_json::to_string(&self.describe(&[])).unwrap_or_default()
    }

    /// A SHA-256 hash of what identifies the saga: its name and version, and its nodes: names, kinds, edges, bodies, the values of constants,
    /// actions and their revisions, the sources of inputs, undo contracts, and the pivot. Labels, retries,
    /// timeouts and concurrency are not part of it.
    pub fn fingerprint(&self) -> &str {
        self.shared_fingerprint()
    }

    /// The fingerprint, made once and shared by all sagas of this DAG.
    pub(crate) fn shared_fingerprint(&self) -> &Arc<str> {
        self.fingerprint.get_or_init(|| self.describe(&[]).fingerprint().into())
    }

    /// [`to_json_text`](Self::to_json_text), made once and shared by all sagas of this DAG.
    pub(crate) fn shared_json(&self) -> &Payload {
        self.json.get_or_init(|| self.to_json_text().into_bytes().into())
    }

    /// `around`: the DAGs that enclose this body, outermost first.
    pub(super) fn describe(&self, around: &[&Self]) -> DagJson {
        let visible = around.iter().copied().chain([self]).collect::<Vec<_>>();
        let name = |n: NodeIndex| self.node(n).map(|node| node.name.clone());
        let nodes = self.nodes().enumerate().map(|(i, node)| NodeJson {
            name: node.name.clone(),
            kind: node.describe(&visible),
            pivot: self.pivot() == Some(NodeIndex(i as u32)),
            inputs: node
                .inputs
                .iter()
                .map(|(input, from)| InputJson {
                    input: input.to_string(),
                    from: from.iter().filter_map(|source| read(*source, &visible)).collect(),
                })
                .collect(),
            after: self.predecessors(NodeIndex(i as u32)).filter_map(name).collect(),
            options: node.options.clone(),
            #[cfg(feature = "testing")]
            notes: Notes::new(),
        });
        DagJson {
            name: self.name.clone(),
            version: self.version,
            nodes: nodes.collect(),
            output: self.output.and_then(name),
        }
    }
}

impl AnyNode {
    pub(super) fn describe(&self, visible: &[&AnyDag]) -> KindJson {
        match &self.body {
            NodeBody::Action(action) => {
                let policy = action.policy();
                KindJson::Action {
                    action: action.name().clone(),
                    rev: action.revision(),
                    undo: policy.undo,
                    undo_on_failure: policy.undo_on_failure,
                    transaction: policy.transaction,
                    fresh_key: policy.fresh_key,
                }
            }
            NodeBody::Constant { output, .. } => {
                KindJson::Constant { value: RawJson(output.payload.clone()) }
            }
            NodeBody::Computed(_) => KindJson::Computed,
            NodeBody::Wait(wait) => KindJson::Wait { alternatives: wait.alternatives() },
            NodeBody::Subsaga { dag, params } => {
                KindJson::Subsaga { params: params.node().cloned(), dag: dag.describe(&[]) }
            }
            NodeBody::ForEach(each) => KindJson::ForEach {
                items: each.items.node().cloned(),
                body: each.body.describe(visible),
            },
            NodeBody::Choose(choose) => KindJson::Choose {
                by: choose.by.node().cloned(),
                arms: choose.arms.iter().map(|arm| arm.describe(visible)).collect(),
            },
            NodeBody::Try(attempt) => KindJson::Try {
                parts: attempt.parts.iter().map(|part| part.describe(visible)).collect(),
            },
        }
    }
}

/// The fingerprint of a stored DAG, which this program need not know; `None` if it is not a DAG.
pub(crate) fn stored_fingerprint(json: &[u8]) -> Option<String> {
    serde_json::from_slice::<DagJson>(json).ok().map(DagJson::fingerprint)
}

/// The version of a stored DAG, which this program need not know; `None` if it is not a DAG.
pub(crate) fn stored_version(json: &[u8]) -> Option<u32> {
    serde_json::from_slice::<DagJson>(json).ok().map(|dag| dag.version)
}

/// A source as text: `(param)`, `node` or `[item]`, with `../` for each body further out.
fn read(source: Source, visible: &[&AnyDag]) -> Option<String> {
    let (body, node) = match source {
        Source::Param(param) => return Some(format!("({param})")),
        Source::Node(body, node) => (body, Some(node)),
        Source::Item(body) => (body, None),
    };
    let (out, dag) = visible.iter().rev().enumerate().find(|(_, dag)| dag.body == body)?;
    let name = match node {
        Some(node) => dag.node(node)?.name.to_string(),
        None => "[item]".to_string(),
    };
    Some(format!("{}{name}", "../".repeat(out)))
}
