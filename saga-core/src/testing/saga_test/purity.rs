//! Are the expressions of a saga pure? Each is evaluated again and again, in all processes of a run, and compared with what
//! it was at first.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use crate::log::NodePath;
use crate::value::{Comparable, Evaluated, Expression};

/// What the expressions of a run were evaluated to.
#[derive(Default)]
pub(super) struct Purity {
    first: HashMap<(NodePath, Expression), Comparable>,
    /// The first expression that changed, for people.
    pub(super) impure: Option<String>,
    /// The arguments that cannot be compared, each with its type.
    pub(super) opaque: BTreeSet<String>,
}

impl Purity {
    pub(super) fn evaluated(&mut self, node: &NodePath, values: Vec<Evaluated>) {
        for Evaluated { what, value } in values {
            if let Comparable::Opaque(ty) = &value {
                self.opaque.insert(format!("{} ({ty})", Of(node, what)));
                continue;
            }
            let first = self.first.entry((node.clone(), what)).or_insert_with(|| value.clone());
            if first.canonical() != value.canonical() {
                let message = message(node, what, first, &value);
                self.impure.get_or_insert(message);
            }
        }
    }
}

/// An expression, for people.
struct Of<'a>(&'a NodePath, Expression);

impl fmt::Display for Of<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(node, what) = self;
        match what {
            Expression::Argument(name) => write!(f, "the argument `{name}` of node `{node}`"),
            Expression::Value => write!(f, "the value of node `{node}`"),
            Expression::Width => write!(f, "the list of node `{node}`"),
            Expression::Arm => write!(f, "the condition of node `{node}`"),
            Expression::Params => write!(f, "the parameters of the saga that is node `{node}`"),
        }
    }
}

fn message(node: &NodePath, what: Expression, first: &Comparable, now: &Comparable) -> String {
    let of = Of(node, what);
    let order = match (first.without_order(), now.without_order()) {
        (Some(first), Some(now)) if first == now => " (the same items in another order)",
        _ => "",
    };
    let (first, now) = match what {
        Expression::Argument(_) | Expression::Value | Expression::Params => {
            (first.to_string(), now.to_string())
        }
        Expression::Width => (format!("{first} items"), format!("{now} items")),
        Expression::Arm => (format!("for arm {first}"), format!("for arm {now}")),
    };
    let was = match what {
        Expression::Arm => "is impure: it decided",
        Expression::Width => "is impure: it had",
        Expression::Argument(_) | Expression::Value => "is impure: it was",
        Expression::Params => "are impure: they were",
    };
    format!(
        "{of} {was} {first}, and when evaluated again, {now}{order}. Expressions in a saga are evaluated again \
         for each attempt, for the undo, and after a crash. What comes from a clock, from random numbers or from outside of \
         the saga belongs in an action, whose output is kept, such as `let id = new_uuid {{}};` or `let at = now {{}};`. A `HashSet` or `HashMap` lists its \
         items in another order each time; a `BTreeSet` or `BTreeMap` does not"
    )
}
