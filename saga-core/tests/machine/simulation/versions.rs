//! Random versions of a saga: another plan, and what becomes of each node.

use std::collections::BTreeSet;
use std::sync::Arc;

use saga_core::action::UndoContract;
use saga_core::dag::{NodeName, Plan, PlanKind, PlanNode};
use saga_core::log::Payload;
use saga_core::machine::Fate;
use saga_core::store::DatabaseKind;

use super::plans::{each, inline_action, node, plan, policy};
use super::tape::Tape;

/// Another version of a saga.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) plan: Arc<Plan>,
    /// What becomes of each node of the version before it.
    pub(crate) fates: Vec<Fate>,
    /// Nodes of the version before it whose outputs cannot be converted.
    pub(crate) unconvertible: BTreeSet<u32>,
}

impl Version {
    /// Which node of the version before it this node was.
    pub(crate) fn was(&self, new: u32) -> Option<u32> {
        let is = |fate: &Fate| matches!(fate, Fate::Becomes { node, .. } if *node == new);
        (0..).zip(&self.fates).find(|(_, fate)| is(fate)).map(|(old, _)| old)
    }

    /// Which outputs the nodes have under this version.
    pub(crate) fn convert(&self, old: u32, output: &Payload) -> Result<Payload, String> {
        match self.unconvertible.contains(&old) {
            true => Err("it is of another time".into()),
            false => Ok(converted(output)),
        }
    }
}

/// An output of an action of one version, as an output of the next one.
pub(crate) fn converted(output: &Payload) -> Payload {
    Payload::from([output.as_bytes(), b"'"].concat().as_slice())
}

/// A node of the new version on its way.
struct Draft {
    /// What identifies it while nodes move.
    id: usize,
    node: PlanNode,
    was: Option<u32>,
    same_parts: bool,
}

struct Drafts {
    nodes: Vec<Draft>,
    edges: BTreeSet<(usize, usize)>,
    pivot: Option<usize>,
    fates: Vec<Fate>,
    unconvertible: BTreeSet<u32>,
    next: usize,
}

/// A version that differs from this one in a few things. `past` are names that nodes have had.
pub(crate) fn next_version(old: &Plan, past: &BTreeSet<String>, tape: &mut Tape) -> Version {
    let mut drafts = Drafts::of(old);
    for _ in 0..1 + tape.pick(4) {
        drafts.change(past, tape);
    }
    drafts.finish()
}

impl Drafts {
    fn of(old: &Plan) -> Self {
        let nodes = (0..).zip(old.nodes()).map(|(was, node): (u32, _)| Draft {
            id: was as usize,
            node: node.clone(),
            was: Some(was),
            same_parts: true,
        });
        let mut edges = BTreeSet::new();
        for to in 0..old.nodes().len() {
            let at = old.gate_of(to as u32).unwrap_or(to as u32);
            edges.extend(old.preds(at).iter().map(|from| (*from as usize, to)));
        }
        Self {
            nodes: nodes.collect(),
            edges,
            pivot: old.pivot().map(|pivot| pivot as usize),
            // each is said anew for those that are still there in the end
            fates: vec![Fate::Dropped; old.nodes().len()],
            unconvertible: BTreeSet::new(),
            next: old.nodes().len(),
        }
    }

    fn change(&mut self, past: &BTreeSet<String>, tape: &mut Tape) {
        let at = tape.pick(self.nodes.len());
        match tape.pick(13) {
            // nothing
            0 => {}
            1 | 2 => self.add(past, tape),
            3 | 4 if self.nodes.len() > 1 => self.remove(at, tape),
            3 | 4 => {}
            5 => self.nodes[at].node.name = self.name(past, tape),
            6 => {
                let other = tape.pick(self.nodes.len());
                let name = self.nodes[at].node.name.clone();
                self.nodes[at].node.name =
                    std::mem::replace(&mut self.nodes[other].node.name, name);
            }
            7 => {
                let draft = self.nodes.remove(at);
                self.nodes.insert(tape.pick(self.nodes.len() + 1), draft);
            }
            8 => {
                let (a, b) = (self.nodes[at].id, self.nodes[tape.pick(self.nodes.len())].id);
                self.edges.insert((a, b));
            }
            9 => {
                let edge = self.edges.iter().nth(tape.pick(self.edges.len().max(1))).copied();
                edge.map(|edge| self.edges.remove(&edge));
            }
            10 => self.change_kind(at, tape),
            11 => {
                let is_action = matches!(self.nodes[at].node.kind, PlanKind::Action(_));
                self.pivot = Some(self.nodes[at].id).filter(|_| is_action && tape.chance(200));
            }
            _ => {
                self.unconvertible.extend(self.nodes[at].was);
            }
        }
    }

    /// A name that no node has. Some had it once.
    fn name(&self, past: &BTreeSet<String>, tape: &mut Tape) -> NodeName {
        let free = |name: &String| self.nodes.iter().all(|draft| draft.node.name.as_str() != name);
        let known = past.iter().filter(|name| free(name)).cloned().collect::<Vec<_>>();
        let name = match tape.pick(2 * known.len()) {
            i if i < known.len() => known[i].clone(),
            _ => (0..).map(|i| format!("m{i}")).find(free).expect("a free name"),
        };
        NodeName::new(&name).unwrap()
    }

    fn add(&mut self, past: &BTreeSet<String>, tape: &mut Tape) {
        let name = self.name(past, tape);
        let kind = match tape.pick(6) {
            0 => PlanKind::Value,
            1 => each(inline_action(any_undo(tape))),
            2 => PlanKind::Subsaga(plan(vec![action("s", tape)], &[])),
            _ => any_action(tape),
        };
        let draft =
            Draft { id: self.next, node: PlanNode { name, kind }, was: None, same_parts: true };
        self.next += 1;
        for _ in 0..tape.pick(3) {
            let other = self.nodes[tape.pick(self.nodes.len())].id;
            self.edges.insert((other, draft.id));
        }
        self.nodes.insert(tape.pick(self.nodes.len() + 1), draft);
    }

    fn remove(&mut self, at: usize, tape: &mut Tape) {
        let Draft { id, node, was, .. } = self.nodes.remove(at);
        self.edges.retain(|(a, b)| *a != id && *b != id);
        self.pivot = self.pivot.filter(|pivot| *pivot != id);
        let Some(was) = was else { return };
        self.unconvertible.remove(&was);
        self.fates[was as usize] = match tape.pick(3) {
            0 => Fate::Dropped,
            _ if !has_undo(&node.kind) => Fate::Forgotten,
            _ => Fate::EffectKept,
        };
    }

    fn change_kind(&mut self, at: usize, tape: &mut Tape) {
        let draft = &mut self.nodes[at];
        match &mut draft.node.kind {
            PlanKind::Action(old) => {
                let mut new = policy(any_undo(tape), 1 + tape.pick(3) as u32, 3);
                let cleans =
                    matches!(new.undo, UndoContract::MaybeOutput | UndoContract::InputsOnly);
                // whoever accepts another undo for what a failure has left says that there is nothing left
                if old.undo_on_failure && !cleans {
                    new.undo = old.undo;
                }
                new.undo_on_failure = old.undo_on_failure;
                // and nothing is cleaned up for a transaction
                if tape.chance(80) && !old.undo_on_failure {
                    new.transaction = Some(DatabaseKind::Sqlite);
                }
                new.fresh_key = tape.chance(100);
                new.probe = tape.chance(100) && new.transaction.is_none();
                *old = new;
            }
            PlanKind::Value => {}
            PlanKind::Wait(alternatives) => alternatives.reverse(),
            // only the part of a `for` or a choice has no name of its own
            PlanKind::Subsaga(body) => {
                *body = plan(vec![action("t", tape)], &[]);
                draft.same_parts = false;
            }
            PlanKind::ForEach { body, .. } => {
                *body = inline_action(any_undo(tape));
                draft.same_parts = false;
            }
            PlanKind::Try { body, .. } => {
                *body = inline_action(any_undo(tape));
                draft.same_parts = false;
            }
            PlanKind::Choose(arms) => {
                arms.push(inline_action(any_undo(tape)));
                draft.same_parts = false;
            }
        }
    }

    fn finish(mut self) -> Version {
        let at = |id: usize| self.nodes.iter().position(|draft| draft.id == id).map(|i| i as u32);
        let edges = self.edges.iter().filter_map(|(a, b)| Some((at(*a)?, at(*b)?)));
        let mut edges = edges
            .filter(|(a, b)| a != b)
            .map(|(a, b)| (a.min(b), a.max(b)))
            .collect::<BTreeSet<_>>();
        let pivot = self.pivot.and_then(at);
        if let Some(pivot) = pivot {
            let n = self.nodes.len() as u32;
            edges.extend((0..pivot).map(|before| (before, pivot)));
            edges.extend((pivot + 1..n).map(|behind| (pivot, behind)));
        }
        for (node, draft) in (0..).zip(&self.nodes) {
            if let Some(was) = draft.was {
                let same_parts = draft.same_parts;
                self.fates[was as usize] = Fate::Becomes { node, same_parts };
            }
        }
        let nodes = self.nodes.into_iter().map(|draft| draft.node).collect();
        let plan = Plan::new(nodes, &edges.into_iter().collect::<Vec<_>>());
        let plan = match pivot {
            Some(pivot) => plan.with_pivot(pivot),
            None => plan,
        };
        Version { plan: plan.into(), fates: self.fates, unconvertible: self.unconvertible }
    }
}

fn any_undo(tape: &mut Tape) -> UndoContract {
    [UndoContract::Output, UndoContract::InputsOnly, UndoContract::MaybeOutput, UndoContract::None]
        [tape.pick(4)]
}

fn any_action(tape: &mut Tape) -> PlanKind {
    PlanKind::Action(policy(any_undo(tape), 1 + tape.pick(3) as u32, 3))
}

fn action(name: &str, tape: &mut Tape) -> PlanNode {
    node(name, any_action(tape))
}

/// True if there is anything to undo in it.
fn has_undo(kind: &PlanKind) -> bool {
    let inside = |plan: &Plan| plan.nodes().iter().any(|node| has_undo(&node.kind));
    match kind {
        PlanKind::Action(policy) => policy.undo != UndoContract::None,
        PlanKind::Value | PlanKind::Wait(_) => false,
        PlanKind::Subsaga(body) | PlanKind::ForEach { body, .. } => inside(body),
        PlanKind::Choose(arms) => arms.iter().any(|arm| inside(arm)),
        PlanKind::Try { body, otherwise } => [body].into_iter().chain(otherwise).any(|b| inside(b)),
    }
}
