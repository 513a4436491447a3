//! A DAG as people read it in a file under version control: what its fingerprint is made of, and what the nodes run with.

mod lines;
mod notation;
mod words;

use super::export::{DagJson, KindJson, NodeJson, Notes, RETURNS, stored_fingerprint};
use super::{AnyDag, AnyNode};
use crate::names::{NodeName, SagaName};
use crate::policy::{Policy, Retry, UndoContract};
pub(crate) use lines::BadLine;
pub(crate) use notation::{Value, key_and_value, quoted};

/// The description of a DAG, of this program or of a file.
#[derive(Clone)]
pub(crate) struct Described(pub(super) DagJson);

impl Described {
    /// The description of a DAG of this program.
    pub(crate) fn of(dag: &AnyDag) -> Self {
        let mut json = dag.describe(&[]);
        note_all(dag, &mut json);
        Self(json)
    }

    /// The description that these lines give, one for each node. `output` names the node whose output the saga returns.
    ///
    /// # Errors
    /// [`BadLine`] says which line is no node, and why.
    pub(crate) fn from_lines<'a>(
        name: SagaName,
        version: u32,
        output: Option<NodeName>,
        lines: impl IntoIterator<Item = (usize, &'a str)>,
    ) -> Result<Self, BadLine> {
        let nodes = lines::nodes(&name, lines)?;
        Ok(Self(DagJson { name, version, nodes, output }))
    }

    /// One line for each node, including those of subsagas, bodies and arms.
    pub(crate) fn lines(&self) -> Vec<String> {
        lines::lines(&self.0)
    }

    pub(crate) fn fingerprint(&self) -> String {
        let json = serde_json::to_vec(&self.0).unwrap_or_default();
        stored_fingerprint(&json).unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &SagaName {
        &self.0.name
    }

    pub(crate) fn version(&self) -> u32 {
        self.0.version
    }

    /// The node whose output the saga returns.
    pub(crate) fn output(&self) -> Option<&NodeName> {
        self.0.output.as_ref()
    }
}

/// Notes what the nodes run with, which is in the DAG and not in its description.
fn note_all(dag: &AnyDag, json: &mut DagJson) {
    for (node, json) in dag.nodes().zip(&mut json.nodes) {
        json.notes = notes(node);
        match &mut json.kind {
            KindJson::Action { .. }
            | KindJson::Constant { .. }
            | KindJson::Computed
            | KindJson::Wait { .. } => {}
            KindJson::Subsaga { dag: part, .. } | KindJson::ForEach { body: part, .. } => {
                node.body.parts().iter().for_each(|dag| note_all(dag, part));
            }
            KindJson::Choose { arms, .. } | KindJson::Try { parts: arms } => {
                node.body.parts().iter().zip(arms).for_each(|(dag, arm)| note_all(dag, arm));
            }
        }
    }
}

fn notes(node: &AnyNode) -> Notes {
    let mut notes = Notes::new();
    let mut note = |key: &str, value: Option<String>| {
        notes.extend(value.map(|value| (key.to_string(), value)));
    };
    note(RETURNS, node.body.output_type().map(|of| short(of.name)));
    note("label", node.options.label.clone());
    note("concurrency", node.options.concurrency.map(|at_once| at_once.to_string()));
    if let Some(action) = node.body.action() {
        let policy = node.options.policy(action.policy());
        let has_undo = policy.undo != UndoContract::None;
        let usual = Policy::new(policy.undo).undo_retry;
        let undo_retry = Some(policy.undo_retry).filter(|retry| has_undo && *retry != usual);
        let timeouts = node.timeouts(&**action);
        note("retry", policy.retry.in_words());
        note("undo_retry", undo_retry.as_ref().and_then(Retry::in_words));
        note("timeout", timeouts.action.map(|time| format!("{time:?}")));
        note("undo_timeout", timeouts.undo.filter(|_| has_undo).map(|time| format!("{time:?}")));
    }
    notes
}

/// The name of a type without the modules that it is in: they may change, and with them nothing that is stored.
fn short(name: &str) -> String {
    let (mut short, mut word) = (String::new(), String::new());
    let mut rest = name.chars().peekable();
    while let Some(c) = rest.next() {
        if c == ':' && rest.peek() == Some(&':') {
            rest.next();
            word.clear();
        } else if c.is_alphanumeric() || c == '_' {
            word.push(c);
        } else {
            short.push_str(&std::mem::take(&mut word));
            short.push(c);
        }
    }
    short + &word
}

/// True if the node, or one that it holds, has something to undo.
pub(super) fn has_undo(node: &NodeJson) -> bool {
    let holds = |dag: &DagJson| dag.nodes.iter().any(has_undo);
    match &node.kind {
        KindJson::Action { undo, .. } => *undo != UndoContract::None,
        KindJson::Constant { .. } | KindJson::Computed | KindJson::Wait { .. } => false,
        KindJson::Subsaga { dag, .. } => holds(dag),
        KindJson::ForEach { body, .. } => holds(body),
        KindJson::Choose { arms, .. } | KindJson::Try { parts: arms } => arms.iter().any(holds),
    }
}

#[cfg(test)]
mod tests {
    use std::any::type_name;
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn types_are_named_without_their_modules() {
        assert_eq!(short(type_name::<Vec<Option<String>>>()), "Vec<Option<String>>");
        assert_eq!(short(type_name::<(u64, [SagaName; 2])>()), "(u64, [SagaName; 2])");
        assert_eq!(short(type_name::<BTreeMap<String, ()>>()), "BTreeMap<String, ()>");
    }
}
