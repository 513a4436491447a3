//! The DAG as JSON, with the states of its nodes.

use serde_json::Value;

use super::{Counts, NodeStates, counts_of, is_inline, part_path, path_of};
use crate::dag::{AnyDag, NodeBody};

impl AnyDag {
    /// The DAG as [`to_json`](Self::to_json) returns it, where each node has a field `states` with the number
    /// of its instances in each state: `{"completed": 3, "failed": 1}`.
    ///
    /// ```
    /// use saga_core::dag::{DagBuilder, Node};
    /// use saga_core::render::NodeStates;
    /// use saga_core::ActionState;
    /// let mut dag = DagBuilder::<()>::new("Order")?;
    /// dag.append(Node::constant("rate", 3)?)?;
    /// let states = NodeStates::from([("rate".into(), ActionState::Completed)]);
    /// let json = dag.build()?.to_json_with(&states);
    /// assert_eq!(json["nodes"][0]["states"], serde_json::json!({"completed": 1}));
    /// # Ok::<(), saga_core::dag::DagError>(())
    /// ```
    pub fn to_json_with(&self, states: &NodeStates) -> Value {
        let mut json = self.to_json();
        mark(self, &mut json, "", false, &counts_of(states));
        json
    }
}

/// `path` and `inline`: see `Drawing`.
fn mark(dag: &AnyDag, json: &mut Value, path: &str, inline: bool, counts: &Counts) {
    let nodes = json.get_mut("nodes").and_then(Value::as_array_mut);
    for (node, json) in dag.nodes().zip(nodes.into_iter().flatten()) {
        let path = path_of(node, path, inline);
        let states = counts.get(&path).into_iter().flatten();
        let states = states.map(|(state, count)| (state.to_string(), Value::from(*count)));
        let states = states.collect::<serde_json::Map<_, _>>();
        for (k, part) in node.body.parts().iter().enumerate() {
            let json = match &node.body {
                NodeBody::Choose(_) => json.get_mut("arms").and_then(|arms| arms.get_mut(k)),
                NodeBody::Try(_) => json.get_mut("parts").and_then(|parts| parts.get_mut(k)),
                NodeBody::ForEach(_) => json.get_mut("body"),
                NodeBody::Subsaga { .. } => json.get_mut("dag"),
                NodeBody::Action(_)
                | NodeBody::Constant { .. }
                | NodeBody::Computed(_)
                | NodeBody::Wait(_) => None,
            };
            if let Some(json) = json {
                let path = part_path(node, &path, k);
                mark(part, json, &path, is_inline(node, part), counts);
            }
        }
        if let (Some(json), false) = (json.as_object_mut(), states.is_empty()) {
            json.insert("states".to_string(), Value::Object(states));
        }
    }
}
