//! What the differences between two versions of a saga mean for the sagas that the older one has started: whether they notice,
//! and up to which point they can be migrated.
//!
//! A migration maps the nodes of the outermost DAG: a node of the old version is the node of the same name and kind in the new
//! one. A node that holds others (a subsaga, a `for`, an `if` or `match`) is carried over with everything that it holds. A node
//! *has begun* when its log has an entry about it. From that follows what each difference asks of a saga:
//!
//! | difference | to be migrated, a saga |
//! |---|---|
//! | a label, retries, a timeout, a concurrency | need not be: it is the same version |
//! | the type of an output | need not be, if the new type reads what the old one has stored; between two versions, the migration says how outputs are converted |
//! | a new node | must not have begun a call that waits for that node in the new version: it would have run before its time. The earliest of those calls are named: none of the others begins before they have |
//! | a node is gone | must not have begun it, or may keep its effect. Without an undo there is no effect to keep |
//! | a node is of another kind | as if it were gone, and a new one had come |
//! | an action, its revision or its undo contract | is told by the migration that the new undo undoes what the old action did. Without an undo on both sides, there is nothing to tell |
//! | the inputs of an action | is told the same by the migration: the inputs of an undo are evaluated when it is called. An action without an undo may have begun: it is not called again, or if its attempt failed, then without an effect of the old inputs |
//! | the inputs of a `for`, an `if` or `match`, or a subsaga | must not have begun it: items and parameters are not in the log, and conditions are checked against it, so all are evaluated again |
//! | a node waits for more nodes | must not have begun it, nor what comes after it, or the nodes that it waits for in addition have completed |
//! | a node waits for fewer nodes, or waits differently for the same ones | may have done anything: what was in order stays in order |
//! | what is within a node that holds others | must not have begun that node |
//! | a node becomes the pivot | must not have begun it. Where the pivot ceases to be one, a saga must not have passed it, as for every migration |
//! | values (constants, `{ .. }`), the order of declaration, the output of the saga | may have done anything: values are computed anew |
//!
//! Nodes that begin as soon as a saga is started have begun in every saga. What asks for one of those not to have begun cannot be
//! migrated.

mod order;
#[cfg(test)]
mod random;

use std::collections::{BTreeMap, BTreeSet};

use self::order::Order;
use super::described::{Described, has_undo};
use super::differences::{Aspect, Difference, between};
use super::export::{DagJson, KindJson, NodeJson};

/// One difference between two versions, and what it means.
pub(crate) struct Change {
    pub(crate) consequence: Consequence,
    /// A sentence.
    pub(crate) what: String,
}

/// What a difference means for the sagas that the older version has started. Nodes are given by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Consequence {
    /// None.
    Nothing,
    /// None, if the new type reads what the old one has stored.
    MustBeReadable,
    /// They need the old version. Wherever they are, they can be migrated.
    NewVersion,
    /// The rest need the old version, too, and can be migrated, if ..
    /// .. the migration says that this node has another name.
    Renamed { from: String, to: String },
    /// .. the migration says how the output of this node is converted.
    Converted(String),
    /// .. the migration says that the new undo of this node is right for what the old action did.
    UndoAccepted(String),
    /// .. this node has not begun, or its effect may remain.
    Dropped(String),
    /// .. none of these nodes has begun.
    NotBegun(Vec<String>),
    /// .. none of these nodes has begun, or all of these have completed.
    NotBegunBefore { begun: Vec<String>, completed: Vec<String> },
    /// They cannot be migrated: in each of them, this node has begun.
    AlwaysBegun(String),
    /// They cannot be migrated: it is another saga.
    OtherSaga,
}

/// What has changed between two versions of a saga, sorted by what it means. Their version numbers do not count. The
/// documentation of this module has the rules.
pub(crate) fn changes(then: &Described, now: &Described) -> Vec<Change> {
    let differences = between(&then.0, &now.0);
    let is_same = differences.iter().all(|difference| match difference.aspect {
        Aspect::OutputType | Aspect::Option => true,
        Aspect::Name
        | Aspect::Version
        | Aspect::Declared
        | Aspect::Output
        | Aspect::Gone
        | Aspect::New
        | Aspect::Kind
        | Aspect::Pivot
        | Aspect::After
        | Aspect::Inputs
        | Aspect::InputOrder
        | Aspect::Action
        | Aspect::Constant
        | Aspect::WaitsFor
        | Aspect::By
        | Aspect::Arms => false,
    });
    let versions = Versions::new(&then.0, &now.0, is_same);
    let changes = differences.into_iter().flat_map(|difference| versions.changes(difference));
    let mut changes = changes.collect::<Vec<_>>();
    changes.sort_by(|a, b| a.consequence.cmp(&b.consequence));
    changes
}

/// Two versions of a saga.
struct Versions<'a> {
    then: &'a DagJson,
    now: &'a DagJson,
    before: Order,
    after: Order,
    /// The node of the new version that each node of the old one becomes, and the other way round.
    becomes: BTreeMap<usize, usize>,
    was: BTreeMap<usize, usize>,
    renamed: BTreeMap<String, String>,
    /// True if both have the same fingerprint.
    is_same: bool,
}

impl<'a> Versions<'a> {
    fn new(then: &'a DagJson, now: &'a DagJson, is_same: bool) -> Self {
        let (before, after) = (Order::of(then), Order::of(now));
        let renamed = renamed(then, now, &before, &after);
        let becomes = then.nodes.iter().enumerate().filter_map(|(i, node)| {
            let name = renamed.get(node.name.as_str()).map_or(node.name.as_str(), String::as_str);
            let place = after.find(name)?;
            let fits = now.nodes.get(place).is_some_and(|now| class(node) == class(now));
            fits.then_some((i, place))
        });
        let becomes = becomes.collect::<BTreeMap<_, _>>();
        let was = becomes.iter().map(|(then, now)| (*now, *then)).collect();
        Self { then, now, before, after, becomes, was, renamed, is_same }
    }

    fn old(&self, name: &str) -> Option<(usize, &'a NodeJson)> {
        let place = self.before.find(name)?;
        Some((place, self.then.nodes.get(place)?))
    }

    fn new_node(&self, name: &str) -> Option<(usize, &'a NodeJson)> {
        let place = self.after.find(name)?;
        Some((place, self.now.nodes.get(place)?))
    }

    /// What a difference means. Nothing, if it need not be told because it follows from another one; and two things, if a node
    /// is now of another kind: the old one is gone, and the new one is new.
    fn changes(&self, difference: Difference) -> Vec<Change> {
        let Difference { node, aspect, .. } = &difference;
        let is_another = *aspect == Aspect::Kind
            && self.before.find(node).is_some_and(|place| !self.becomes.contains_key(&place));
        let waiting = self.not_begun(self.waiting_for(node));
        let is_waited_for = waiting != Consequence::NewVersion;
        let new = (is_another && self.had_undo(node) && is_waited_for).then(|| Change {
            consequence: waiting,
            what: format!("node `{node}` is a new one, because it was of another kind"),
        });
        self.change(difference).into_iter().chain(new).collect()
    }

    /// What it means first of all.
    fn change(&self, difference: Difference) -> Option<Change> {
        let Difference { node, aspect, mut what } = difference;
        let outermost = node.split(['/', '[', '#']).next().unwrap_or_default().to_string();
        let consequence = match aspect {
            Aspect::Option => Consequence::Nothing,
            Aspect::OutputType if self.is_same => Consequence::MustBeReadable,
            _ if outermost != node => self.not_begun(self.old(&outermost).map(|(i, _)| i)),
            // of what a node holds
            Aspect::Name | Aspect::Version | Aspect::Declared | Aspect::Output
                if !node.is_empty() =>
            {
                self.not_begun(self.old(&node).map(|(i, _)| i))
            }
            Aspect::Arms | Aspect::WaitsFor => self.not_begun(self.old(&node).map(|(i, _)| i)),
            Aspect::Name => Consequence::OtherSaga,
            Aspect::Version => return None,
            Aspect::Declared | Aspect::Output | Aspect::InputOrder | Aspect::Constant => {
                Consequence::NewVersion
            }
            Aspect::By | Aspect::Inputs if self.evaluates_again(&node) => {
                self.not_begun(self.old(&node).map(|(i, _)| i))
            }
            Aspect::OutputType => Consequence::Converted(node),
            Aspect::Gone => match self.renamed.get(&node) {
                Some(to) => {
                    what = format!(
                        "node `{node}` is gone, and `{to}` is new and calls the same action"
                    );
                    Consequence::Renamed { from: node, to: to.clone() }
                }
                None if self.had_undo(&node) => Consequence::Dropped(node),
                None => Consequence::NewVersion,
            },
            Aspect::New if self.renamed.values().any(|to| *to == node) => return None,
            Aspect::New => self.not_begun(self.waiting_for(&node)),
            Aspect::Kind if self.becomes.contains_key(&self.before.find(&node)?) => {
                Consequence::NewVersion
            }
            Aspect::Kind if self.had_undo(&node) => Consequence::Dropped(node),
            Aspect::Kind => self.not_begun(self.waiting_for(&node)),
            Aspect::Pivot if self.new_node(&node).is_some_and(|(_, node)| node.pivot) => {
                self.not_begun(self.old(&node).map(|(i, _)| i))
            }
            Aspect::Pivot => Consequence::NewVersion,
            Aspect::Action if self.had_undo(&node) || self.has_undo(&node) => {
                Consequence::UndoAccepted(node)
            }
            Aspect::Inputs if self.calls_with_undo(&node) => Consequence::UndoAccepted(node),
            Aspect::Action | Aspect::Inputs | Aspect::By => Consequence::NewVersion,
            Aspect::After => self.waits_otherwise(&node)?,
        };
        Some(Change { consequence, what })
    }

    fn had_undo(&self, node: &str) -> bool {
        self.old(node).is_some_and(|(_, node)| has_undo(node))
    }

    fn has_undo(&self, node: &str) -> bool {
        self.new_node(node).is_some_and(|(_, node)| has_undo(node))
    }

    fn calls_with_undo(&self, node: &str) -> bool {
        let is_action = self.old(node).is_some_and(|(_, node)| class(node) == Class::Action);
        is_action && (self.had_undo(node) || self.has_undo(node))
    }

    /// True if its inputs are evaluated again, wherever it is: the items of a `for` and the parameters of a subsaga are not in the
    /// log, and the arm of an `if` or `match` must be the one in the log.
    fn evaluates_again(&self, node: &str) -> bool {
        self.old(node).is_some_and(|(_, node)| match class(node) {
            Class::Subsaga | Class::ForEach | Class::Choose => true,
            Class::Action | Class::Value | Class::Wait | Class::Try => false,
        })
    }

    /// The calls of the old version, by their places there and in the new version.
    fn calls(&self) -> impl Iterator<Item = (usize, usize)> {
        let is_call = |(then, _): &(usize, usize)| {
            self.then.nodes.get(*then).is_some_and(|node| class(node) != Class::Value)
        };
        self.becomes.iter().map(|(then, now)| (*then, *now)).filter(is_call)
    }

    /// The calls of the old version that wait for this node in the new version, where it is new.
    fn waiting_for(&self, node: &str) -> BTreeSet<usize> {
        let Some(place) = self.after.find(node) else { return BTreeSet::new() };
        let waiting = self.calls().filter(|(_, now)| self.after.is_ancestor(place, *now));
        waiting.map(|(then, _)| then).collect()
    }

    /// None of these nodes of the old version may have begun.
    fn not_begun(&self, nodes: impl IntoIterator<Item = usize>) -> Consequence {
        let earliest = self.earliest(&nodes.into_iter().collect());
        if let Some(always) = earliest.iter().find(|node| self.begins_at_once(**node)) {
            return Consequence::AlwaysBegun(self.before.name(*always));
        }
        match earliest.is_empty() {
            true => Consequence::NewVersion,
            false => Consequence::NotBegun(self.names(earliest)),
        }
    }

    /// Those that are not behind another one: if they have not begun, none has.
    fn earliest(&self, nodes: &BTreeSet<usize>) -> BTreeSet<usize> {
        let is_behind =
            |node: &usize| nodes.iter().any(|other| self.before.is_ancestor(*other, *node));
        nodes.iter().filter(|node| !is_behind(node)).copied().collect()
    }

    /// True if a saga of the old version begins this node as soon as it is started: at most values come before it.
    fn begins_at_once(&self, node: usize) -> bool {
        let is_value = |(i, before): (usize, &NodeJson)| {
            class(before) == Class::Value || !self.before.is_ancestor(i, node)
        };
        self.then.nodes.iter().enumerate().all(is_value)
    }

    fn names(&self, nodes: impl IntoIterator<Item = usize>) -> Vec<String> {
        nodes.into_iter().map(|node| self.before.name(node)).collect()
    }

    /// The node waits for other nodes. `None` if that is because nodes have come and gone, and the others are in the same
    /// order.
    fn waits_otherwise(&self, node: &str) -> Option<Consequence> {
        let ((then, old), (now, new)) = (self.old(node)?, self.new_node(node)?);
        let comes_or_goes =
            |a: &NodeJson, other: &Order, map: &BTreeMap<usize, usize>, own: &Order| {
                let lost =
                    |name: &&str| own.find(name).is_none_or(|place| !map.contains_key(&place));
                let names = a.after.iter().map(|name| name.as_str());
                names.filter(|name| other.find(name).is_none() || lost(name)).count() > 0
            };
        let from_others = comes_or_goes(old, &self.after, &self.becomes, &self.before)
            || comes_or_goes(new, &self.before, &self.was, &self.after);
        let in_addition = self.becomes.iter().filter(|(before, after)| {
            self.after.is_ancestor(**after, now) && !self.before.is_ancestor(**before, then)
        });
        let in_addition = in_addition.map(|(before, _)| *before).collect::<BTreeSet<_>>();
        if in_addition.is_empty() {
            let fewer = self.becomes.iter().any(|(before, after)| {
                self.before.is_ancestor(*before, then) && !self.after.is_ancestor(*after, now)
            });
            return (!from_others || fewer).then_some(Consequence::NewVersion);
        }
        let behind = self.calls().filter(|(before, after)| {
            let too_early = || in_addition.iter().any(|a| !self.before.is_ancestor(*a, *before));
            (*after == now || self.after.is_ancestor(now, *after)) && too_early()
        });
        let begun = self.earliest(&behind.map(|(before, _)| before).collect());
        if begun.is_empty() {
            return Some(Consequence::NewVersion);
        }
        // the others have completed before these
        let is_before =
            |node: &usize| in_addition.iter().any(|other| self.before.is_ancestor(*node, *other));
        let completed = in_addition.iter().filter(|node| !is_before(node)).copied();
        let (begun, completed) = (self.names(begun), self.names(completed));
        Some(Consequence::NotBegunBefore { begun, completed })
    }
}

/// The kinds of node that a migration tells apart.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Class {
    Action,
    Value,
    Subsaga,
    ForEach,
    Choose,
    Wait,
    Try,
}

fn class(node: &NodeJson) -> Class {
    match &node.kind {
        KindJson::Action { .. } => Class::Action,
        KindJson::Constant { .. } | KindJson::Computed => Class::Value,
        KindJson::Subsaga { .. } => Class::Subsaga,
        KindJson::ForEach { .. } => Class::ForEach,
        KindJson::Choose { .. } => Class::Choose,
        KindJson::Wait { .. } => Class::Wait,
        KindJson::Try { .. } => Class::Try,
    }
}

/// The nodes that seem to have got another name: one is gone and one is new, and no other, that call the same action with the
/// same inputs.
fn renamed(
    then: &DagJson,
    now: &DagJson,
    before: &Order,
    after: &Order,
) -> BTreeMap<String, String> {
    let call = |node: &NodeJson| match &node.kind {
        KindJson::Action { action, rev, undo, undo_on_failure, transaction, fresh_key } => {
            let undo = format!("{undo:?} {transaction:?} {fresh_key}");
            let inputs = node.inputs.iter().map(|input| format!("{input:?}")).collect::<Vec<_>>();
            Some((action.to_string(), *rev, undo, *undo_on_failure, inputs))
        }
        KindJson::Constant { .. }
        | KindJson::Computed
        | KindJson::Subsaga { .. }
        | KindJson::ForEach { .. }
        | KindJson::Choose { .. }
        | KindJson::Wait { .. }
        | KindJson::Try { .. } => None,
    };
    let mut pairs = BTreeMap::<_, (Vec<_>, Vec<_>)>::new();
    for node in then.nodes.iter().filter(|node| after.find(node.name.as_str()).is_none()) {
        if let Some(call) = call(node) {
            pairs.entry(call).or_default().0.push(node.name.to_string());
        }
    }
    for node in now.nodes.iter().filter(|node| before.find(node.name.as_str()).is_none()) {
        if let Some(call) = call(node) {
            pairs.entry(call).or_default().1.push(node.name.to_string());
        }
    }
    let pairs = pairs.into_values().filter_map(|pair| match (&*pair.0, &*pair.1) {
        ([from], [to]) => Some((from.clone(), to.clone())),
        _ => None,
    });
    pairs.collect()
}
