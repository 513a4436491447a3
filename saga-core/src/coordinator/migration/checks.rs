//! Whether a migration says everything that must be said about its two versions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{AnyMigration, CheckedMigration, Convert, NodeRef, Rule};
use crate::coordinator::definitions::Definition;
use crate::dag::{AnyDag, AnyNode, NodeBody, same_parts};
use crate::machine::Fate;
use crate::names::Source;
use crate::policy::UndoContract;

/// Checks a migration against its definitions.
///
/// # Errors
/// Everything that is wrong with it, each in a sentence that says what to do.
pub(in crate::coordinator) fn check(
    migration: &AnyMigration,
    old: &Definition,
    new: &Definition,
) -> Result<CheckedMigration, Vec<String>> {
    let (then, now) = (&old.dag, &new.dag);
    if then.fingerprint() == now.fingerprint() {
        let why = "both versions have the same definition, so there is nothing to migrate";
        return Err(vec![why.to_string()]);
    }
    let mut checks = Checks {
        then,
        now,
        rules: BTreeMap::new(),
        accepted: BTreeSet::new(),
        problems: Vec::new(),
    };
    checks.sort(&migration.rules);
    let (mut fates, mut outputs) = (Vec::new(), Vec::new());
    for node in then.nodes() {
        let (fate, output) = checks.fate_of(node);
        fates.push(fate);
        outputs.push(output);
    }
    checks.refuse_two_in_one(&fates);
    checks.compare_inputs(&mut fates);
    match checks.problems.is_empty() {
        true => Ok(CheckedMigration {
            new: new.clone(),
            fates,
            outputs,
            accepted: checks.accepted.iter().filter_map(|name| then.plan().find(name)).collect(),
            params: migration.params.clone(),
        }),
        false => Err(checks.problems),
    }
}

/// What the user said about one node of the old version.
#[derive(Default)]
struct Said<'a> {
    /// The index of the node that it becomes, how its output is converted, and whether that has the same type.
    becomes: Option<(u32, &'a Convert, bool)>,
    /// True if its effect is kept.
    dropped: Option<bool>,
    undo_accepted: bool,
}

struct Checks<'a> {
    then: &'a AnyDag,
    now: &'a AnyDag,
    /// By the name of the old node.
    rules: BTreeMap<String, Said<'a>>,
    /// The old nodes whose undo is accepted.
    accepted: BTreeSet<String>,
    problems: Vec<String>,
}

impl<'a> Checks<'a> {
    fn problem(&mut self, what: String) {
        self.problems.push(what);
    }

    fn sort(&mut self, rules: &'a [Rule]) {
        for rule in rules {
            let (Rule::Node { old, .. } | Rule::Drop { old, .. } | Rule::UndoAccepted { old }) =
                rule;
            let Some((_, name)) = self.find(old, self.then, "old") else { continue };
            let becomes = match rule {
                Rule::Node { new, convert, same_type, .. } => {
                    let Some((node, _)) = self.find(new, self.now, "new") else { continue };
                    Some((node, convert, *same_type))
                }
                Rule::Drop { .. } | Rule::UndoAccepted { .. } => None,
            };
            let said = self.rules.entry(name.clone()).or_default();
            let again = match rule {
                Rule::Node { .. } | Rule::Drop { .. } => {
                    said.becomes.is_some() || said.dropped.is_some()
                }
                Rule::UndoAccepted { .. } => said.undo_accepted,
            };
            match rule {
                Rule::Node { .. } => said.becomes = becomes,
                Rule::Drop { keeps_effect, .. } => said.dropped = Some(*keeps_effect),
                Rule::UndoAccepted { .. } => said.undo_accepted = true,
            }
            if again {
                self.problem(format!(
                    "node `{name}` is mapped or dropped twice; say once what becomes of it"
                ));
            }
        }
    }

    /// The node of the outermost DAG that a key names.
    fn find(&mut self, node: &NodeRef, dag: &AnyDag, which: &str) -> Option<(u32, String)> {
        let names = [Some(&node.path), node.or.as_ref()];
        for name in names.into_iter().flatten() {
            if let Some(index) = dag.plan().find(name) {
                return Some((index, name.clone()));
            }
        }
        let path = &node.path;
        self.problem(match path.split_once(['/', '[', '#']) {
            Some((holder, _)) => format!(
                "`{path}` is within node `{holder}`, which is carried over as a whole; map `{holder}`"
            ),
            None => format!("the {which} version has no node `{path}`"),
        });
        None
    }

    /// What becomes of a node of the old version, and how its output is converted.
    fn fate_of(&mut self, node: &AnyNode) -> (Fate, Option<Convert>) {
        let name = node.name().to_string();
        let said = self.rules.remove(&name).unwrap_or_default();
        if said.undo_accepted {
            self.accepted.insert(name.clone());
        }
        if let Some((new, convert, same_type)) = said.becomes {
            return self.mapped(node, new, Some((convert, same_type)), said.undo_accepted);
        }
        if let Some(keeps_effect) = said.dropped {
            let fate = if keeps_effect { Fate::EffectKept } else { Fate::Dropped };
            return (fate, None);
        }
        let namesake = self.now.plan().find(&name);
        let namesake = namesake.and_then(|new| Some((new, self.now.nodes().nth(new as usize)?)));
        match namesake {
            Some((new, now)) if kind(node) == kind(now) => {
                return self.mapped(node, new, None, said.undo_accepted);
            }
            Some((_, now)) if has_undo(node) => self.problem(format!(
                "node `{name}` is {} in the old version and {} in the new one, and has an undo; say what becomes of it with \
                 `.node(..)`, `.drop_unbegun(..)` or `.drop_keeping_effect(..)`",
                kind(node),
                kind(now)
            )),
            None if has_undo(node) => self.problem(format!(
                "the new version has no node `{name}`, which has an undo; say what becomes of it with `.node(..)`, \
                 `.drop_unbegun(..)` or `.drop_keeping_effect(..)`"
            )),
            Some(_) => {}
            None => {
                if let Some(other) = self.renamed(node) {
                    self.problem(format!(
                        "the new version has no node `{name}`, and its node `{other}` is new and runs the same action, which would be \
                         called again; say what becomes of `{name}` with `.node(..)`, `.drop_unbegun(..)` or \
                         `.drop_keeping_effect(..)`"
                    ));
                }
            }
        }
        (Fate::Forgotten, None)
    }

    /// A node of the new version that may be this one under another name: it runs the same action, and the old version has no
    /// node of its name.
    fn renamed(&self, node: &AnyNode) -> Option<String> {
        let action = node.action_name()?;
        let is_new = |now: &&AnyNode| self.then.plan().find(now.name().as_str()).is_none();
        let mut new = self.now.nodes().filter(is_new);
        let same = new.find(|now| now.action_name() == Some(action))?;
        Some(same.name().to_string())
    }

    /// A node that becomes another one, because the user said so or by its name.
    fn mapped(
        &mut self,
        node: &AnyNode,
        new: u32,
        explicitly: Option<(&Convert, bool)>,
        undo_accepted: bool,
    ) -> (Fate, Option<Convert>) {
        let name = node.name();
        let Some(now) = self.now.nodes().nth(new as usize) else { return (Fate::Dropped, None) };
        let to = now.name();
        if kind(node) != kind(now) {
            self.problem(format!(
                "node `{name}` is {}, and `{to}` is {}: only nodes of one kind are mapped to each other; drop `{name}`",
                kind(node),
                kind(now)
            ));
        }
        let holds = !node.body.parts().is_empty();
        match (node.body.output_type(), now.body.output_type(), explicitly) {
            (_, _, Some((_, false))) if holds => self.problem(format!(
                "node `{name}` holds others, so it is carried over as it is; `{to}` must have the same type of output"
            )),
            (Some(then), Some(now), None) if then != now => {
                // the key of such a node needs the type
                let key = match &node.body {
                    NodeBody::Constant { .. } | NodeBody::Computed(_) => {
                        "; a value has the key for that if its type is written, as in `let total: u64 = ..`. Or give it another name"
                    }
                    NodeBody::Action(_)
                    | NodeBody::Subsaga { .. }
                    | NodeBody::ForEach(_)
                    | NodeBody::Choose(_)
                    | NodeBody::Wait(_)
                    | NodeBody::Try(_) => "",
                };
                let what = format!(
                    "node `{name}` has an output of type `{}` in the old version and `{}` in the new one; say how to convert it \
                     with `.node(..)` or `.node_with(..)`{key}",
                    then.name, now.name
                );
                self.problem(what);
            }
            _ => {}
        }
        if has_undo(node) && !has_undo(now) && !holds {
            self.problem(format!(
                "node `{name}` has an undo, and `{to}` has none, so nobody would undo what it did; give `{to}` another name and say \
                 `.drop_unbegun(..)` or `.drop_keeping_effect(..)`"
            ));
        } else if let Some(difference) = undo_differs(node, now).filter(|_| !undo_accepted) {
            self.problem(format!(
                "{difference}; if the undo of the new version undoes what the old one did, say so with `.undo_accepted(..)`"
            ));
        }
        let same_parts = same_parts((self.then, node), (self.now, now));
        let output = explicitly.filter(|_| !holds).map(|(convert, _)| Arc::clone(convert));
        (Fate::Becomes { node: new, same_parts }, output)
    }

    /// An undo gets the inputs of its node, too: they must be made of the same, unless that is accepted. What a node that holds
    /// others gives them must be made of the same once it has begun.
    fn compare_inputs(&mut self, fates: &mut [Fate]) {
        let (mut changed, mut problems) = (Vec::new(), Vec::new());
        for (i, node) in self.then.nodes().enumerate() {
            let Some(Fate::Becomes { node: new, .. }) = fates.get(i) else { continue };
            let Some(now) = self.now.nodes().nth(*new as usize) else { continue };
            let Some(input) = other_input(node, now, fates) else { continue };
            let name = node.name();
            if !node.body.parts().is_empty() {
                changed.push(i);
            } else if has_undo(node) && !self.accepted.contains(name.as_str()) {
                problems.push(format!(
                    "the input `{input}` of node `{name}`, which its undo may read, is made of something else in the new version; \
                     if the undo of the new version undoes what the old one did, say so with `.undo_accepted(..)`"
                ));
            }
        }
        for i in changed {
            if let Some(Fate::Becomes { same_parts, .. }) = fates.get_mut(i) {
                *same_parts = false;
            }
        }
        self.problems.extend(problems);
    }

    fn refuse_two_in_one(&mut self, fates: &[Fate]) {
        let mut taken = BTreeMap::new();
        for (node, fate) in self.then.nodes().zip(fates) {
            let Fate::Becomes { node: new, .. } = fate else { continue };
            if let Some(first) = taken.insert(*new, node.name())
                && let Some(new) = self.now.nodes().nth(*new as usize)
            {
                self.problems.push(format!(
                    "nodes `{first}` and `{}` both become `{}`; say what becomes of one of them",
                    node.name(),
                    new.name()
                ));
            }
        }
    }
}

/// An input of a node that is made of something else in the other version.
fn other_input(then: &AnyNode, now: &AnyNode, fates: &[Fate]) -> Option<&'static str> {
    let same = |(a, b): (&Source, &Source)| match (a, b) {
        (Source::Node(_, a), Source::Node(_, b)) => match fates.get(a.index()) {
            Some(Fate::Becomes { node, .. }) => *node as usize == b.index(),
            Some(Fate::Dropped | Fate::EffectKept | Fate::Forgotten) | None => false,
        },
        (Source::Param(a), Source::Param(b)) => a == b,
        (Source::Item(_), Source::Item(_)) => true,
        (Source::Node(..) | Source::Param(_) | Source::Item(_), _) => false,
    };
    let other = then.inputs.iter().find(|(input, from)| {
        let made = now.inputs.iter().find(|(other, _)| other == input);
        !made.is_some_and(|(_, made)| from.len() == made.len() && from.iter().zip(made).all(same))
    });
    other.map(|(input, _)| *input)
}

/// What a node is, for people.
fn kind(node: &AnyNode) -> &'static str {
    match &node.body {
        NodeBody::Action(_) => "an action",
        NodeBody::Constant { .. } | NodeBody::Computed(_) => "a value",
        NodeBody::Subsaga { .. } => "a saga",
        NodeBody::ForEach(_) => "a `for`",
        NodeBody::Choose(_) => "an `if` or `match`",
        NodeBody::Wait(_) => "a wait",
        NodeBody::Try(_) => "a `try`",
    }
}

/// True if the node, or one that it holds, has something to undo.
fn has_undo(node: &AnyNode) -> bool {
    let own = node.body.action().is_some_and(|action| action.policy().undo != UndoContract::None);
    own || node.body.parts().iter().any(|part| part.nodes().any(has_undo))
}

/// How the undo of a node is another one, if the old action or the new one has any.
fn undo_differs(then: &AnyNode, now: &AnyNode) -> Option<String> {
    let name = then.name();
    let (old, new) = (then.body.action()?, now.body.action()?);
    let (before, after) = (old.policy(), new.policy());
    if (before.undo, after.undo) == (UndoContract::None, UndoContract::None) {
        return None;
    }
    if old.name() != new.name() {
        return Some(format!(
            "node `{name}` ran the action `{}`, and `{}` runs `{}`",
            old.name(),
            now.name(),
            new.name()
        ));
    }
    if old.revision() != new.revision() {
        return Some(format!(
            "the action of node `{name}` is of revision {}, and was of revision {}",
            new.revision(),
            old.revision()
        ));
    }
    if (before.undo, before.undo_on_failure) != (after.undo, after.undo_on_failure) {
        return Some(format!("the action of node `{name}` declares another kind of undo"));
    }
    if before.transaction != after.transaction {
        return Some(match after.transaction {
            Some(database) => format!(
                "the action of node `{name}` is a `transaction` of {database}, which also undoes what was none"
            ),
            None => format!(
                "the action of node `{name}` is no `transaction` any more, and undoes what was one"
            ),
        });
    }
    None
}
