//! The sagas of a run: random DAGs with every construct, built through the public API for DAGs at run time.
//!
//! Every action gives a pure function of what it reads, so that what each node of a saga must give is known.

mod actions;
mod build;
mod random;
mod settings;
mod values;
mod versions;

use std::time::Duration;

use saga_core::Retry;
use saga_core::action::UndoContract;
use saga_core::coordinator::SagaStart;
use saga_core::dag::SagaDag;
use saga_core::prelude::*;
use serde_json::Value;

pub(crate) use self::settings::{MAX_PAYLOAD, Settings};
use self::values::path_in;
pub(crate) use self::versions::{Fate, Version, Versions, converted, split};
use crate::world::Site;

/// One version of a saga, as it is started.
pub(crate) struct SagaPlan {
    pub(crate) body: Body,
    pub(crate) params: Value,
    pub(crate) dag: SagaDag<Site>,
}

/// A list of nodes, each behind some of those before it.
#[derive(Clone)]
pub(crate) struct Body {
    pub(crate) nodes: Vec<Node>,
    /// The node whose output is that of the body.
    pub(crate) output: usize,
}

#[derive(Clone)]
pub(crate) struct Node {
    /// No other node of the saga has this name, also in other bodies.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) after: Vec<usize>,
}

#[derive(Clone)]
pub(crate) enum Kind {
    Constant(Value),
    Action(Call),
    ForEach { body: Body, items: usize, at_once: Option<u32> },
    Choose { arms: Vec<Body>, by: usize },
    Subsaga { body: Body, params: usize },
}

/// A node that calls an action.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) action: &'static Declared,
    pub(crate) gives: Gives,
    pub(crate) pivot: bool,
    /// True if the receiver tells stale calls by their token, and not by a tombstone.
    pub(crate) fenced: bool,
    pub(crate) retry: Option<Retry>,
    pub(crate) undo_retry: Option<Retry>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) undo_timeout: Option<Duration>,
}

/// What an action returns.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Gives {
    Number,
    List,
    /// One of so many arms, or none of them.
    Arm(usize),
}

/// What an action declares about itself.
#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) name: &'static str,
    pub(crate) contract: UndoContract,
    /// `undo_on_failure`
    pub(crate) cleans_up: bool,
    /// `fresh_key`
    pub(crate) fresh_key: bool,
    /// True if it is an `ActionFunc`, false if it implements `Action`. The former cannot fail for good.
    pub(crate) closures: bool,
    /// True if its only effect is a transaction of the database that keeps the log.
    pub(crate) transaction: bool,
}

const fn declared(name: &'static str, contract: UndoContract) -> Declared {
    let (cleans_up, fresh_key, closures, transaction) = (false, false, false, false);
    Declared { name, contract, cleans_up, fresh_key, closures, transaction }
}

/// All actions.
pub(crate) static DECLARED: [Declared; 15] = [
    declared("output", UndoContract::Output),
    declared("maybe", UndoContract::MaybeOutput),
    declared("inputs", UndoContract::InputsOnly),
    declared("none", UndoContract::None),
    Declared { cleans_up: true, ..declared("maybe_cleaned", UndoContract::MaybeOutput) },
    Declared { cleans_up: true, ..declared("inputs_cleaned", UndoContract::InputsOnly) },
    Declared { closures: true, ..declared("fn_output", UndoContract::Output) },
    Declared { closures: true, ..declared("fn_maybe", UndoContract::MaybeOutput) },
    Declared { closures: true, ..declared("fn_none", UndoContract::None) },
    Declared {
        closures: true,
        cleans_up: true,
        ..declared("fn_maybe_cleaned", UndoContract::MaybeOutput)
    },
    Declared { transaction: true, ..declared("tx_output", UndoContract::Output) },
    Declared { transaction: true, ..declared("tx_inputs", UndoContract::InputsOnly) },
    Declared { transaction: true, ..declared("tx_none", UndoContract::None) },
    Declared { fresh_key: true, ..declared("fresh_inputs", UndoContract::InputsOnly) },
    Declared {
        closures: true,
        fresh_key: true,
        ..declared("fn_fresh_output", UndoContract::Output)
    },
];

/// The action of later versions only: a program that knows the first version does not have it.
pub(crate) static LATER: Declared = declared("later", UndoContract::MaybeOutput);

/// What the action with this name declares.
pub(crate) fn declared_as(name: &str) -> &'static Declared {
    let all = DECLARED.iter().chain([&LATER]);
    all.into_iter().find(|declared| declared.name == name).expect("an action of these sagas")
}

impl SagaPlan {
    /// The same request each time it is called.
    pub(crate) fn start(&self, sec: &Coordinator<Site>) -> SagaStart<Site, Value> {
        sec.saga_dag(self.dag.clone())
    }

    pub(crate) fn pivot(&self) -> Option<&str> {
        let pivot = |n: &&Node| matches!(&n.kind, Kind::Action(call) if call.pivot);
        self.body.nodes.iter().find(pivot).map(|n| n.name.as_str())
    }

    /// Paths of nodes that call an action, for operators' commands: also some in instances and arms, which may not come
    /// to be.
    pub(crate) fn nodes(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.body.paths("", false, &mut paths);
        paths
    }

    pub(crate) fn in_words(&self) -> String {
        let mut words = format!("saga with the parameters {}\n", self.params);
        self.body.describe(1, &mut words);
        words
    }
}

impl Body {
    fn paths(&self, prefix: &str, inline: bool, paths: &mut Vec<String>) {
        for node in &self.nodes {
            let path = path_in(prefix, inline, &node.name);
            match &node.kind {
                Kind::Constant(_) => {}
                Kind::Action(_) => paths.push(path),
                Kind::ForEach { body, .. } => {
                    let instance = |i| body.paths(&format!("{path}[{i}]"), body.is_inline(), paths);
                    (0..2).for_each(instance);
                }
                Kind::Choose { arms, .. } => {
                    for (k, arm) in arms.iter().enumerate() {
                        arm.paths(&format!("{path}#{k}"), arm.is_inline(), paths);
                    }
                }
                Kind::Subsaga { body, .. } => body.paths(&path, false, paths),
            }
        }
    }

    fn describe(&self, depth: usize, words: &mut String) {
        for (i, node) in self.nodes.iter().enumerate() {
            let name = |i: &usize| self.nodes[*i].name.as_str();
            let after = node.after.iter().map(name).collect::<Vec<_>>().join(", ");
            let output = if i == self.output { ", the output" } else { "" };
            let indent = "  ".repeat(depth);
            let what = match &node.kind {
                Kind::Constant(value) => format!("= {value}"),
                Kind::Action(call) => call.in_words(),
                Kind::ForEach { items, at_once, .. } => {
                    let limit = at_once.map(|n| format!(", {n} at once")).unwrap_or_default();
                    format!("for each of {}{limit}", name(items))
                }
                Kind::Choose { by, .. } => format!("match {}", name(by)),
                Kind::Subsaga { params, .. } => format!("a subsaga of {}", name(params)),
            };
            words.push_str(&format!("{indent}{} {what}; after [{after}]{output}\n", node.name));
            match &node.kind {
                Kind::Constant(_) | Kind::Action(_) => {}
                Kind::ForEach { body, .. } | Kind::Subsaga { body, .. } => {
                    body.describe(depth + 1, words);
                }
                Kind::Choose { arms, .. } => {
                    for (k, arm) in arms.iter().enumerate() {
                        words.push_str(&format!("{indent} arm {k}\n"));
                        arm.describe(depth + 1, words);
                    }
                }
            }
        }
    }
}

impl Call {
    fn in_words(&self) -> String {
        let mut words = format!("calls `{}`, gives {:?}", self.action.name, self.gives);
        let mut add = |what: &str, said: Option<String>| {
            if let Some(said) = said {
                words.push_str(&format!(", {what} {said}"));
            }
        };
        add("pivot", self.pivot.then(String::new));
        add("fenced", self.fenced.then(String::new));
        add("retry", self.retry.map(|r| retry_in_words(&r)));
        add("undo_retry", self.undo_retry.map(|r| retry_in_words(&r)));
        add("timeout", self.timeout.map(|t| format!("{t:?}")));
        add("undo_timeout", self.undo_timeout.map(|t| format!("{t:?}")));
        words
    }
}

fn retry_in_words(retry: &Retry) -> String {
    let wait = |n| retry.delay_after(n, 0);
    let max = retry.max().map_or("forever".to_string(), |max| format!("{max} times"));
    format!("{max} ({:?}, {:?}, ..)", wait(1), wait(2))
}
