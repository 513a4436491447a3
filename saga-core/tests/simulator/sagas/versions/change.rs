//! A version that differs from the one before it in a few things.

use std::collections::BTreeMap;

use saga_core::action::UndoContract;
use serde_json::json;

use super::super::random::random_call;
use super::super::{Body, DECLARED, Gives, Kind, LATER, Node};
use super::Fate;
use crate::tape::Tape;

/// A node of the new version on its way. Its node names others by their [`id`](Draft::id).
struct Draft {
    id: usize,
    node: Node,
    /// The name that it has in the old version, if it has one.
    was: Option<String>,
    adds: Option<u64>,
    same_parts: bool,
    undo_accepted: bool,
}

struct Drafts<'a> {
    nodes: Vec<Draft>,
    output: usize,
    dropped: Vec<Node>,
    next: usize,
    used: &'a mut u32,
    past: &'a [String],
    tape: &'a Tape,
}

/// The next version of a saga, and what becomes of the nodes of this one. `used` counts the names that were made for later
/// versions, `past` are names that nodes have had.
pub(super) fn next_version(
    old: &Body,
    used: &mut u32,
    past: &[String],
    tape: &Tape,
) -> (Body, BTreeMap<String, Fate>) {
    let nodes = old.nodes.iter().enumerate().map(|(id, node)| Draft {
        id,
        node: node.clone(),
        was: Some(node.name.clone()),
        adds: None,
        same_parts: true,
        undo_accepted: false,
    });
    let mut drafts = Drafts {
        nodes: nodes.collect(),
        output: old.output,
        dropped: Vec::new(),
        next: old.nodes.len(),
        used,
        past,
        tape,
    };
    for _ in 0..1 + tape.pick(4) {
        drafts.change();
    }
    drafts.finish(old)
}

fn contract(node: &Node) -> Option<UndoContract> {
    match &node.kind {
        Kind::Action(call) => Some(call.action.contract),
        Kind::Constant(_) | Kind::ForEach { .. } | Kind::Choose { .. } | Kind::Subsaga { .. } => {
            None
        }
    }
}

fn is_pivot(node: &Node) -> bool {
    matches!(&node.kind, Kind::Action(call) if call.pivot)
}

/// The node whose output this one is made of, if there is one.
fn source(node: &Node) -> Option<usize> {
    match &node.kind {
        Kind::Constant(_) | Kind::Action(_) => None,
        Kind::ForEach { items: id, .. }
        | Kind::Choose { by: id, .. }
        | Kind::Subsaga { params: id, .. } => Some(*id),
    }
}

impl Drafts<'_> {
    fn change(&mut self) {
        let tape = self.tape;
        let at = tape.pick(self.nodes.len());
        match tape.pick(14) {
            0 => {}
            1..=3 => self.add(),
            4 | 5 => self.remove(at),
            6 => self.nodes[at].node.name = self.name(),
            7 => self.swap_names(at),
            8 => {
                let other = tape.pick(self.nodes.len());
                let (first, then) = (at.min(other), at.max(other));
                let before = self.nodes[first].id;
                if first != then && !self.nodes[then].node.after.contains(&before) {
                    self.nodes[then].node.after.push(before);
                }
            }
            9 => self.remove_edge(at),
            10 => self.change_action(at),
            11 => {
                let converts = matches!(&self.nodes[at].node.kind, Kind::Action(call)
                    if matches!(call.gives, Gives::Number));
                if converts && self.nodes[at].was.is_some() {
                    self.nodes[at].adds = Some(1_000_000);
                }
            }
            12 => self.change_parts(at),
            _ => {
                let draft = &mut self.nodes[at];
                match &mut draft.node.kind {
                    Kind::Constant(value) if value.is_u64() => {
                        *value = json!(tape.pick(2));
                    }
                    Kind::Action(call) => call.pivot = false,
                    Kind::Constant(_)
                    | Kind::ForEach { .. }
                    | Kind::Choose { .. }
                    | Kind::Subsaga { .. } => {}
                }
            }
        }
    }

    /// A name that no node has. Some had it once.
    fn name(&mut self) -> String {
        let free = |name: &&String| self.nodes.iter().all(|draft| draft.node.name != **name);
        let dropped = self.dropped.iter().map(|node| &node.name);
        let known = self.past.iter().chain(dropped).filter(free).collect::<Vec<_>>();
        match self.tape.pick(2 * known.len()) {
            i if i < known.len() => known[i].clone(),
            _ => {
                *self.used += 1;
                format!("v{}", self.used)
            }
        }
    }

    fn pivot(&self) -> Option<usize> {
        self.nodes.iter().position(|draft| is_pivot(&draft.node))
    }

    fn add(&mut self) {
        let tape = self.tape;
        let (name, at) = (self.name(), tape.pick(self.nodes.len() + 1));
        let pivot = self.pivot();
        let behind = pivot.is_some_and(|pivot| pivot < at);
        let mut call = random_call(tape, behind);
        if tape.chance(80) {
            (call.action, call.undo_retry, call.undo_timeout) = (&LATER, None, None);
        }
        let id = self.next;
        self.next += 1;
        let mut after = Vec::new();
        for draft in &self.nodes[..at] {
            if tape.chance(60) || behind && is_pivot(&draft.node) {
                after.push(draft.id);
            }
        }
        for draft in &mut self.nodes[at..] {
            if tape.chance(60) || is_pivot(&draft.node) {
                draft.node.after.push(id);
            }
        }
        let node = Node { name, kind: Kind::Action(call), after };
        let draft =
            Draft { id, node, was: None, adds: None, same_parts: true, undo_accepted: false };
        self.nodes.insert(at, draft);
    }

    fn remove(&mut self, at: usize) {
        let id = self.nodes[at].id;
        let leaf = matches!(self.nodes[at].node.kind, Kind::Action(_) | Kind::Constant(_));
        let is_read = self.nodes.iter().any(|draft| source(&draft.node) == Some(id));
        let is_last = self.nodes.len() == 1 || self.output == id;
        if !leaf || is_read || is_last || is_pivot(&self.nodes[at].node) {
            return;
        }
        let draft = self.nodes.remove(at);
        for other in &mut self.nodes {
            other.node.after.retain(|before| *before != id);
        }
        if let Some(was) = draft.was {
            self.dropped.push(Node { name: was, ..draft.node });
        }
    }

    fn swap_names(&mut self, at: usize) {
        let other = self.tape.pick(self.nodes.len());
        let actions = [at, other].iter().all(|i| contract(&self.nodes[*i].node).is_some());
        if actions && at != other {
            let name = self.nodes[at].node.name.clone();
            let other = std::mem::replace(&mut self.nodes[other].node.name, name);
            self.nodes[at].node.name = other;
        }
    }

    fn remove_edge(&mut self, at: usize) {
        let pivot = self.pivot().map(|pivot| self.nodes[pivot].id);
        let node = &mut self.nodes[at].node;
        let source = source(node);
        let may = |before: &usize| Some(*before) != source && Some(*before) != pivot;
        let edges = node.after.iter().copied().filter(may).collect::<Vec<_>>();
        if !is_pivot(node) && !edges.is_empty() {
            let edge = edges[self.tape.pick(edges.len())];
            node.after.retain(|before| *before != edge);
        }
    }

    /// Another action, which may have another undo. Whatever the old one has left behind, the new one undoes.
    fn change_action(&mut self, at: usize) {
        let declared = &DECLARED[self.tape.pick(DECLARED.len())];
        let draft = &mut self.nodes[at];
        let Kind::Action(call) = &mut draft.node.kind else { return };
        let has_undo = |contract| contract != UndoContract::None;
        let undoes = has_undo(declared.contract) || !has_undo(call.action.contract);
        let undoes = undoes && declared.transaction == call.action.transaction;
        if undoes && declared.cleans_up == call.action.cleans_up {
            (call.action, call.undo_timeout, call.undo_retry) = (declared, None, None);
            draft.undo_accepted = draft.was.is_some();
        }
    }

    fn change_parts(&mut self, at: usize) {
        *self.used += 1;
        let name = format!("v{}", self.used);
        let behind = self.pivot().is_some_and(|pivot| pivot < at);
        let draft = &mut self.nodes[at];
        let body = match &mut draft.node.kind {
            Kind::Constant(_) | Kind::Action(_) => return,
            Kind::ForEach { body, .. } | Kind::Subsaga { body, .. } => body,
            Kind::Choose { arms, .. } => &mut arms[0],
        };
        let kind = Kind::Action(random_call(self.tape, behind));
        body.nodes.push(Node { name, kind, after: vec![0] });
        draft.same_parts = false;
    }

    fn finish(mut self, old: &Body) -> (Body, BTreeMap<String, Fate>) {
        let mut fates = BTreeMap::new();
        let dropped = std::mem::take(&mut self.dropped);
        for node in dropped {
            let fate = self.fate_of_dropped(&node, old);
            fates.insert(node.name, fate);
        }
        let place = |id: usize| self.nodes.iter().position(|draft| draft.id == id).unwrap();
        let mut nodes = Vec::new();
        for draft in &self.nodes {
            let Draft { was, adds, same_parts, undo_accepted, .. } = draft;
            let mut node = draft.node.clone();
            node.after.iter_mut().for_each(|id| *id = place(*id));
            node.after.sort_unstable();
            match &mut node.kind {
                Kind::Constant(_) | Kind::Action(_) => {}
                Kind::ForEach { items: id, .. }
                | Kind::Choose { by: id, .. }
                | Kind::Subsaga { params: id, .. } => *id = place(*id),
            }
            if let Some(was) = was {
                let (name, adds) = (node.name.clone(), *adds);
                let (same_parts, undo_accepted) = (*same_parts, *undo_accepted);
                let fate = Fate::Becomes { name, adds, same_parts, undo_accepted };
                fates.insert(was.clone(), fate);
            }
            nodes.push(node);
        }
        let output = place(self.output);
        (Body { nodes, output }, fates)
    }

    /// What is said about a node that the new version does not have. Nothing need be said about one that has no undo, unless
    /// a new node may be taken for it.
    fn fate_of_dropped(&self, node: &Node, old: &Body) -> Fate {
        let Kind::Action(call) = &node.kind else {
            // a constant that is renamed may have its name
            let is_there = self.nodes.iter().any(|draft| draft.node.name == node.name);
            return if is_there { Fate::EffectKept } else { Fate::Forgotten };
        };
        let is_known = |name: &str| old.nodes.iter().any(|node| node.name == name);
        let resembles = |draft: &Draft| {
            let same = matches!(&draft.node.kind, Kind::Action(now)
                if now.action.name == call.action.name);
            draft.node.name == node.name || same && !is_known(&draft.node.name)
        };
        let must = call.action.contract != UndoContract::None || self.nodes.iter().any(resembles);
        match must || self.tape.chance(60) {
            true if self.tape.chance(170) => Fate::EffectKept,
            true => Fate::Dropped,
            false => Fate::Forgotten,
        }
    }
}
