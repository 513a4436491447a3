//! The nodes and edges of a DAG without what runs, for drawing. A stored DAG has one too, so that sagas can be drawn
//! whose definition this program does not have.

use std::collections::HashMap;

use super::export::{DagJson, KindJson, NodeJson};
use super::{AnyDag, DagError};
use crate::plan::described;
use crate::policy::UndoContract;

pub(crate) struct Outline {
    pub(crate) name: String,
    /// In the order of declaration.
    pub(crate) nodes: Vec<OutlineNode>,
}

pub(crate) struct OutlineNode {
    pub(crate) name: String,
    /// Its label, the name of its action, or its kind.
    pub(crate) runs: String,
    pub(crate) holds: Holds,
    pub(crate) pivot: bool,
    /// True if it may have effects that an undo takes back.
    pub(crate) undoable: bool,
    /// The nodes that it waits for, by index.
    pub(crate) after: Vec<usize>,
    /// The DAGs that it contains.
    pub(crate) parts: Vec<Outline>,
}

/// What a node contains.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Holds {
    Nothing,
    Subsaga,
    Body,
    Arms,
    /// What a `try` runs, and its `else`.
    Attempt,
}

impl Outline {
    pub(crate) fn of(dag: &AnyDag) -> Self {
        Self::from_json(dag.describe(&[]))
    }

    pub(crate) fn read(json: &[u8]) -> Result<Self, DagError> {
        let json: DagJson =
            serde_json::from_slice(json).map_err(|e| DagError::BadJson(e.to_string()))?;
        let outline = Self::from_json(json);
        outline.check()?;
        Ok(outline)
    }

    fn from_json(json: DagJson) -> Self {
        let names = json.nodes.iter().map(|node| node.name.clone());
        let index = names.zip(0..).collect::<HashMap<_, usize>>();
        let nodes = json.nodes.into_iter().map(|node| {
            let after = node.after.iter().filter_map(|name| index.get(name).copied());
            let after = after.collect();
            OutlineNode::from_json(node, after)
        });
        Self { name: json.name.to_string(), nodes: nodes.collect() }
    }

    /// Fails if nodes wait for each other in a circle, which only a damaged DAG can have.
    fn check(&self) -> Result<(), DagError> {
        let mut below = vec![Vec::new(); self.nodes.len()];
        let mut waiting = Vec::with_capacity(self.nodes.len());
        for (to, node) in self.nodes.iter().enumerate() {
            waiting.push(node.after.len());
            for from in &node.after {
                if let Some(below) = below.get_mut(*from) {
                    below.push(to);
                }
            }
        }
        let free = waiting.iter().enumerate().filter(|(_, count)| **count == 0);
        let mut open = free.map(|(node, _)| node).collect::<Vec<_>>();
        let mut done = 0;
        while let Some(node) = open.pop() {
            done += 1;
            for to in below.get(node).into_iter().flatten() {
                if let Some(count) = waiting.get_mut(*to) {
                    *count -= 1;
                    if *count == 0 {
                        open.push(*to);
                    }
                }
            }
        }
        if done < self.nodes.len() {
            return Err(DagError::BadJson(format!("nodes of '{}' wait for each other", self.name)));
        }
        self.nodes.iter().flat_map(|node| &node.parts).try_for_each(Self::check)
    }
}

impl OutlineNode {
    fn from_json(node: NodeJson, after: Vec<usize>) -> Self {
        let (holds, kind, undoable, parts) = match node.kind {
            KindJson::Action { action, undo, transaction, .. } => {
                let runs = match transaction {
                    Some(_) => format!("{action}, a transaction"),
                    None => action.to_string(),
                };
                (Holds::Nothing, runs, undo != UndoContract::None, Vec::new())
            }
            KindJson::Constant { .. } => (Holds::Nothing, "constant".into(), false, Vec::new()),
            KindJson::Computed => (Holds::Nothing, "computed".into(), false, Vec::new()),
            KindJson::Wait { alternatives } => (
                Holds::Nothing,
                format!("wait for {}", described(&alternatives)),
                false,
                Vec::new(),
            ),
            KindJson::Subsaga { dag, .. } => {
                (Holds::Subsaga, dag.name.to_string(), true, vec![dag])
            }
            KindJson::ForEach { body, .. } => (Holds::Body, "for each".into(), true, vec![body]),
            KindJson::Choose { arms, .. } => (Holds::Arms, "choose".into(), true, arms),
            KindJson::Try { parts } => (Holds::Attempt, "try".into(), true, parts),
        };
        Self {
            name: node.name.to_string(),
            runs: node.options.label.as_deref().map_or(kind, str::to_string),
            holds,
            pivot: node.pivot,
            undoable,
            after,
            parts: parts.into_iter().map(Outline::from_json).collect(),
        }
    }
}
