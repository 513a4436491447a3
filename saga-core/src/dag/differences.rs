//! How two versions of a DAG differ, in words: in what their fingerprints are made of, and in what they leave out.

use std::collections::{BTreeMap, BTreeSet};

use super::AnyDag;
use super::export::{DagJson, KindJson, NodeJson, Notes, RETURNS};
use crate::json;
use crate::plan::described;
use crate::policy::{DatabaseKind, UndoContract};

/// The differences between a stored DAG and one of this program, each a sentence about a node, as far as they make it another
/// saga. `None` if what is stored is not a DAG.
pub(crate) fn differences(stored: &[u8], now: &AnyDag) -> Option<Vec<String>> {
    let then = serde_json::from_slice::<DagJson>(stored).ok()?;
    let now = serde_json::from_str::<DagJson>(&now.to_json_text()).ok()?;
    Some(between(&then, &now).into_iter().map(|difference| difference.what).collect())
}

/// All differences between two DAGs.
pub(super) fn between(then: &DagJson, now: &DagJson) -> Vec<Difference> {
    let mut found = Differences { node: String::new(), found: Vec::new() };
    found.dags("", then, now);
    found.found
}

/// One difference.
pub(super) struct Difference {
    /// The path of the node, as far as it is declared: `hotels[..]/book`. Empty if it is about the outermost DAG as a whole.
    pub(super) node: String,
    pub(super) aspect: Aspect,
    /// A sentence.
    pub(super) what: String,
}

/// In what two DAGs differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aspect {
    /// The name of a saga.
    Name,
    /// The version of a saga.
    Version,
    /// The order in which nodes are declared.
    Declared,
    /// Which node has the output of the saga.
    Output,
    Gone,
    New,
    /// An action became a value, for example.
    Kind,
    Pivot,
    /// Which nodes it waits for.
    After,
    Inputs,
    /// The order in which its inputs are declared.
    InputOrder,
    /// The action, its revision, or what its undo needs.
    Action,
    Constant,
    /// Which events and times a wait waits for.
    WaitsFor,
    /// What a node that holds others decides by.
    By,
    /// The number of arms.
    Arms,
    /// The type of the output, which no fingerprint has.
    OutputType,
    /// A label, retries, a timeout or another option, which no fingerprint has.
    Option,
}

struct Differences {
    /// The node that is being looked at.
    node: String,
    found: Vec<Difference>,
}

impl Differences {
    fn say(&mut self, aspect: Aspect, what: String) {
        self.found.push(Difference { node: self.node.clone(), aspect, what });
    }

    fn differ<T: PartialEq>(
        &mut self,
        aspect: Aspect,
        (then, now): (&T, &T),
        say: impl FnOnce(&T, &T) -> String,
    ) {
        if then != now {
            self.say(aspect, say(then, now));
        }
    }

    /// Looks at something that belongs to another node.
    fn at(&mut self, node: String, look: impl FnOnce(&mut Self, &str)) {
        let around = std::mem::replace(&mut self.node, node.clone());
        look(self, &node);
        self.node = around;
    }

    /// `path`: that of the node which holds these DAGs, with a slash.
    fn dags(&mut self, path: &str, then: &DagJson, now: &DagJson) {
        let known = now.nodes.iter().map(|node| (&node.name, node)).collect::<BTreeMap<_, _>>();
        let before = then.nodes.iter().map(|node| (&node.name, node)).collect::<BTreeMap<_, _>>();
        for node in &then.nodes {
            match known.get(&node.name) {
                None => self.at(format!("{path}{}", node.name), |at, node| {
                    at.say(Aspect::Gone, format!("node `{node}` is gone"));
                }),
                Some(now) => self.nodes(&format!("{path}{}", node.name), node, now),
            }
        }
        for node in now.nodes.iter().filter(|node| !before.contains_key(&node.name)) {
            self.at(format!("{path}{}", node.name), |at, node| {
                at.say(Aspect::New, format!("node `{node}` is new"));
            });
        }
        let order = |dag: &DagJson, other: &BTreeMap<_, _>| {
            let both =
                dag.nodes.iter().map(|node| &node.name).filter(|name| other.contains_key(name));
            both.map(ToString::to_string).collect::<Vec<_>>()
        };
        let within = match path {
            "" => String::new(),
            path => format!(" in `{}`", path.trim_end_matches('/')),
        };
        self.differ(Aspect::Declared, (&order(then, &known), &order(now, &before)), |then, now| {
            format!(
                "the nodes{within} are declared in another order: {}; it was {}",
                now.join(", "),
                then.join(", ")
            )
        });
        let name = |name: &Option<_>| match name {
            Some(name) => format!("the output of `{path}{name}`"),
            None => "no output".to_string(),
        };
        self.differ(Aspect::Output, (&then.output.as_ref(), &now.output.as_ref()), |then, now| {
            format!("the saga{within} returns {}, and returned {}", name(now), name(then))
        });
        self.differ(Aspect::Name, (&then.name, &now.name), |then, now| {
            format!("the saga{within} is `{now}`, and was `{then}`")
        });
        self.differ(Aspect::Version, (&then.version, &now.version), |then, now| {
            format!("the saga{within} is of version {now}, and was of version {then}")
        });
    }

    /// The body of an instance or an arm. A single node has the path of its body.
    fn bodies(&mut self, path: &str, then: &DagJson, now: &DagJson) {
        match (&*then.nodes, &*now.nodes) {
            ([then_node], [now_node]) => {
                self.differ(Aspect::Name, (&then_node.name, &now_node.name), |then, now| {
                    format!("the only node of `{path}` is called `{now}`, and was called `{then}`")
                });
                let returns = (&then.output.is_some(), &now.output.is_some());
                self.differ(Aspect::Output, returns, |_, now| {
                    let now = if *now { "now returns" } else { "no longer returns" };
                    format!("`{path}` {now} the output of its only node")
                });
                self.nodes(path, then_node, now_node);
            }
            _ => self.dags(&format!("{path}/"), then, now),
        }
    }

    fn nodes(&mut self, node: &str, then: &NodeJson, now: &NodeJson) {
        self.at(node.to_string(), |at, node| at.node(node, then, now));
    }

    fn node(&mut self, node: &str, then: &NodeJson, now: &NodeJson) {
        self.kinds(node, &then.kind, &now.kind);
        let pivot = |is: &bool| if *is { "the pivot" } else { "not the pivot" };
        self.differ(Aspect::Pivot, (&then.pivot, &now.pivot), |then, now| {
            format!("node `{node}` is {}, and was {}", pivot(now), pivot(then))
        });
        let after = |node: &NodeJson| {
            let mut after = node.after.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
            after.sort();
            after
        };
        let list = |names: &Vec<String>| match names.is_empty() {
            true => "no node".to_string(),
            false => names.join(", "),
        };
        self.differ(Aspect::After, (&after(then), &after(now)), |then, now| {
            format!("node `{node}` waits for {}, and waited for {}", list(now), list(then))
        });
        let inputs = |node: &NodeJson| {
            let inputs = node.inputs.iter().map(|input| (input.input.clone(), input.from.clone()));
            inputs.collect::<BTreeMap<_, _>>()
        };
        self.notes(node, &then.notes, &now.notes);
        let order = |node: &NodeJson| {
            node.inputs.iter().map(|input| input.input.clone()).collect::<Vec<_>>()
        };
        let (then_order, now_order) = (order(then), order(now));
        let (then, now) = (inputs(then), inputs(now));
        if then.keys().eq(now.keys()) {
            self.differ(Aspect::InputOrder, (&then_order, &now_order), |then, now| {
                let (then, now) = (then.join(", "), now.join(", "));
                format!("the inputs of node `{node}` are declared in another order: {now}; it was {then}")
            });
        }
        for (input, from) in &then {
            match now.get(input) {
                None => self
                    .say(Aspect::Inputs, format!("node `{node}` has no input `{input}` any more")),
                Some(now) => self.differ(Aspect::Inputs, (from, now), |then, now| {
                    format!(
                        "the input `{input}` of node `{node}` is made of {}, and was made of {}",
                        now.join(", "),
                        then.join(", ")
                    )
                }),
            }
        }
        for input in now.keys().filter(|input| !then.contains_key(*input)) {
            self.say(Aspect::Inputs, format!("node `{node}` has a new input `{input}`"));
        }
    }

    /// What no fingerprint has.
    fn notes(&mut self, node: &str, then: &Notes, now: &Notes) {
        for key in then.keys().chain(now.keys()).collect::<BTreeSet<_>>() {
            let aspect = if key == RETURNS { Aspect::OutputType } else { Aspect::Option };
            let said = |value: &Option<&String>| match value {
                Some(value) => format!("`{value}`"),
                None if key == RETURNS => "something unknown".to_string(),
                None => "not declared".to_string(),
            };
            self.differ(aspect, (&then.get(key), &now.get(key)), |then, now| {
                match key == RETURNS {
                    true => {
                        format!("node `{node}` returns {}, and returned {}", said(now), said(then))
                    }
                    false => format!(
                        "the {key} of node `{node}` is {}, and was {}",
                        said(now),
                        said(then)
                    ),
                }
            });
        }
    }

    fn kinds(&mut self, node: &str, then: &KindJson, now: &KindJson) {
        match (then, now) {
            (
                KindJson::Action { action, rev, undo, undo_on_failure, transaction, fresh_key },
                KindJson::Action {
                    action: a,
                    rev: r,
                    undo: u,
                    undo_on_failure: f,
                    transaction: t,
                    fresh_key: k,
                },
            ) => {
                self.differ(Aspect::Action, (action, a), |then, now| {
                    format!("node `{node}` runs the action `{now}`, and ran `{then}`")
                });
                self.differ(Aspect::Action, (rev, r), |then, now| {
                    format!("the action of node `{node}` is of revision {now}, and was of {then}")
                });
                self.differ(Aspect::Action, (undo, u), |then, now| {
                    let (then, now) = (contract(*then), contract(*now));
                    format!("the action of node `{node}` declares `{now}`, and declared `{then}`")
                });
                self.differ(Aspect::Action, (undo_on_failure, f), |_, now| {
                    let now = if *now { "declares" } else { "does not declare any more" };
                    format!("the action of node `{node}` {now} `undo_on_failure`")
                });
                self.differ(Aspect::Action, (transaction, t), |then, now| {
                    let said = |database: &Option<DatabaseKind>| match database {
                        Some(database) => format!("a `transaction` of {database}"),
                        None => "no `transaction`".to_string(),
                    };
                    let (then, now) = (said(then), said(now));
                    format!("the action of node `{node}` is {now}, and was {then}")
                });
                self.differ(Aspect::Action, (fresh_key, k), |_, now| {
                    let now = if *now { "declares" } else { "does not declare any more" };
                    format!("the action of node `{node}` {now} `fresh_key`")
                });
            }
            (KindJson::Constant { value: then }, KindJson::Constant { value: now }) => {
                let canonical = |value: &[u8]| json::canonical(value);
                let (then, now) = (canonical(then.0.as_bytes()), canonical(now.0.as_bytes()));
                self.differ(Aspect::Constant, (&then, &now), |then, now| {
                    let text = |value: &Option<String>| value.clone().unwrap_or_default();
                    format!("the constant `{node}` is {}, and was {}", text(now), text(then))
                });
            }
            (KindJson::Computed, KindJson::Computed) => {}
            (KindJson::Wait { alternatives: then }, KindJson::Wait { alternatives: now }) => {
                self.differ(Aspect::WaitsFor, (then, now), |then, now| {
                    let (then, now) = (described(then), described(now));
                    format!("node `{node}` waits for {now}, and waited for {then}")
                });
            }
            (KindJson::Subsaga { params, dag }, KindJson::Subsaga { params: p, dag: d }) => {
                self.differ(Aspect::By, (params, p), |_, _| by(node));
                self.dags(&format!("{node}/"), dag, d);
            }
            (KindJson::ForEach { items, body }, KindJson::ForEach { items: i, body: b }) => {
                self.differ(Aspect::By, (items, i), |_, _| by(node));
                self.bodies(&format!("{node}[..]"), body, b);
            }
            (KindJson::Choose { by: then, arms }, KindJson::Choose { by: now, arms: a }) => {
                self.differ(Aspect::By, (then, now), |_, _| by(node));
                self.differ(Aspect::Arms, (&arms.len(), &a.len()), |then, now| {
                    format!("node `{node}` has {now} arms, and had {then}")
                });
                for (i, (then, now)) in arms.iter().zip(a).enumerate() {
                    self.bodies(&format!("{node}#{i}"), then, now);
                }
            }
            (KindJson::Try { parts }, KindJson::Try { parts: p }) => {
                self.differ(Aspect::Arms, (&parts.len(), &p.len()), |_, now| match now {
                    1 => format!("node `{node}` has no `else`, and had one"),
                    _ => format!("node `{node}` has an `else`, and had none"),
                });
                for (i, (then, now)) in parts.iter().zip(p).enumerate() {
                    self.bodies(&format!("{node}#{i}"), then, now);
                }
            }
            (
                KindJson::Action { .. }
                | KindJson::Constant { .. }
                | KindJson::Computed
                | KindJson::Subsaga { .. }
                | KindJson::ForEach { .. }
                | KindJson::Choose { .. }
                | KindJson::Wait { .. }
                | KindJson::Try { .. },
                _,
            ) => {
                let (then, now) = (kind(then), kind(now));
                self.say(Aspect::Kind, format!("node `{node}` is {now}, and was {then}"));
            }
        }
    }
}

fn by(node: &str) -> String {
    format!("node `{node}` decides by something else")
}

fn kind(kind: &KindJson) -> &'static str {
    match kind {
        KindJson::Action { .. } => "an action",
        KindJson::Constant { .. } => "a constant",
        KindJson::Computed => "a computed value",
        KindJson::Subsaga { .. } => "a saga",
        KindJson::ForEach { .. } => "a `for`",
        KindJson::Choose { .. } => "an `if` or `match`",
        KindJson::Wait { .. } => "a wait",
        KindJson::Try { .. } => "a `try`",
    }
}

pub(super) fn contract(undo: UndoContract) -> &'static str {
    match undo {
        UndoContract::Output => "undo = f(output, ..)",
        UndoContract::MaybeOutput => "undo = f(output?, ..)",
        UndoContract::InputsOnly => "undo = f(..)",
        UndoContract::None => "no_undo",
    }
}
