//! The plan of a stored DAG, for reading the log of a saga whose definition this program does not have.

use std::collections::HashMap;
use std::sync::Arc;

use super::export::{DagJson, KindJson};
use crate::plan::{Plan, PlanKind, PlanNode};
use crate::policy::Policy;

/// What a stored DAG tells without its definition.
pub(crate) struct DagShape {
    pub(crate) plan: Arc<Plan>,
    /// The node whose output is the output of the saga, if that output is in the log.
    pub(crate) output: Option<String>,
    /// True if the saga returns something.
    pub(crate) returns: bool,
}

impl DagShape {
    pub(crate) fn read(json: &[u8]) -> Option<Self> {
        let json: DagJson = serde_json::from_slice(json).ok()?;
        let output = json.nodes.iter().find(|node| Some(&node.name) == json.output.as_ref());
        let logged = output.filter(|node| match node.kind {
            KindJson::Action { .. } | KindJson::Constant { .. } | KindJson::Computed => true,
            KindJson::Subsaga { .. } | KindJson::ForEach { .. } | KindJson::Choose { .. } => false,
        });
        let (output, returns) = (logged.map(|node| node.name.to_string()), json.output.is_some());
        Some(Self { plan: Arc::new(plan(json)?), output, returns })
    }
}

fn plan(json: DagJson) -> Option<Plan> {
    let names = json.nodes.iter().map(|node| node.name.clone());
    let index = names.zip(0u32..).collect::<HashMap<_, _>>();
    let (mut nodes, mut edges, mut pivot) = (Vec::new(), Vec::new(), None);
    for (i, node) in (0u32..).zip(json.nodes) {
        for pred in &node.after {
            edges.push((*index.get(pred)?, i));
        }
        if node.pivot {
            pivot = Some(i);
        }
        let kind = match node.kind {
            // The number of attempts does not affect how the log is read.
            KindJson::Action { undo, undo_on_failure, .. } => {
                PlanKind::Action(Policy { undo_on_failure, ..Policy::new(undo) })
            }
            KindJson::Constant { .. } | KindJson::Computed => PlanKind::Value,
            KindJson::Subsaga { dag, .. } => PlanKind::Subsaga(Arc::new(plan(dag)?)),
            KindJson::ForEach { body, .. } => {
                PlanKind::ForEach { body: part(body)?, concurrency: node.options.concurrency }
            }
            KindJson::Choose { arms, .. } => {
                PlanKind::Choose(arms.into_iter().map(part).collect::<Option<_>>()?)
            }
        };
        nodes.push(PlanNode { name: node.name, kind });
    }
    let plan = Plan::new(nodes, &edges);
    Some(match pivot {
        Some(pivot) => plan.with_pivot(pivot),
        None => plan,
    })
}

/// The body of an instance or an arm.
fn part(json: DagJson) -> Option<Arc<Plan>> {
    let plan = plan(json)?;
    Some(Arc::new(match plan.nodes() {
        [only] => Plan::inline(only.clone()),
        _ => plan,
    }))
}
