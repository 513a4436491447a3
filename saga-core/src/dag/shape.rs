//! The plan of a stored DAG, for reading the log of a saga whose definition this program does not have.

use std::collections::HashMap;
use std::sync::Arc;

use super::export::{DagJson, KindJson};
use crate::log::NodePath;
use crate::names::ActionName;
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
            KindJson::Subsaga { .. }
            | KindJson::ForEach { .. }
            | KindJson::Choose { .. }
            | KindJson::Wait { .. }
            | KindJson::Try { .. } => false,
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
            KindJson::Action { undo, undo_on_failure, transaction, fresh_key, .. } => {
                let policy = Policy::new(undo);
                PlanKind::Action(Policy { undo_on_failure, transaction, fresh_key, ..policy })
            }
            KindJson::Constant { .. } | KindJson::Computed => PlanKind::Value,
            KindJson::Wait { alternatives } => PlanKind::Wait(alternatives),
            KindJson::Subsaga { dag, .. } => PlanKind::Subsaga(Arc::new(plan(dag)?)),
            KindJson::ForEach { body, .. } => {
                PlanKind::ForEach { body: part(body)?, concurrency: node.options.concurrency }
            }
            KindJson::Choose { arms, .. } => {
                PlanKind::Choose(arms.into_iter().map(part).collect::<Option<_>>()?)
            }
            KindJson::Try { parts } => {
                let mut parts =
                    parts.into_iter().map(part).collect::<Option<Vec<_>>>()?.into_iter();
                PlanKind::Try { body: parts.next()?, otherwise: parts.next() }
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

/// Which actions the nodes of a stored DAG run.
#[derive(Debug, Default)]
pub(crate) struct StoredActions(HashMap<String, ActionName>);

impl StoredActions {
    /// Those of a DAG as JSON; none if it cannot be read.
    pub(crate) fn read(json: &[u8]) -> Self {
        let mut actions = Self::default();
        if let Ok(dag) = serde_json::from_slice::<DagJson>(json) {
            actions.add("", dag, false);
        }
        actions
    }

    /// The action of the node with this path, if it runs one.
    pub(crate) fn of(&self, path: &NodePath) -> Option<&ActionName> {
        // all instances of a `for` run the same
        let mut of_any = String::with_capacity(path.as_str().len());
        let mut within = false;
        for c in path.as_str().chars() {
            within &= c != ']';
            if !within {
                of_any.push(c);
            }
            within |= c == '[';
        }
        self.0.get(&of_any)
    }

    fn add(&mut self, holder: &str, dag: DagJson, is_part: bool) {
        // the only node of a part stands for the part
        let is_inline = is_part && dag.nodes.len() == 1;
        for node in dag.nodes {
            let path = match holder {
                "" => node.name.to_string(),
                holder if is_inline => holder.to_string(),
                holder => format!("{holder}/{}", node.name),
            };
            match node.kind {
                KindJson::Action { action, .. } => drop(self.0.insert(path, action)),
                KindJson::Constant { .. } | KindJson::Computed | KindJson::Wait { .. } => {}
                KindJson::Subsaga { dag, .. } => self.add(&path, dag, false),
                KindJson::ForEach { body, .. } => self.add(&format!("{path}[]"), body, true),
                KindJson::Choose { arms, .. } | KindJson::Try { parts: arms } => {
                    for (k, arm) in arms.into_iter().enumerate() {
                        self.add(&format!("{path}#{k}"), arm, true);
                    }
                }
            }
        }
    }
}
