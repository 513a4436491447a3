//! What stands around a body and binds variables: the pattern of a `for`, the patterns of a `match` arm, the `let`
//! of a condition.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use proc_macro2::{Ident, Span};
use syn::{Expr, Pat};

use crate::names::{Names, has_mut, variables_in, variables_of};

/// What binds variables around a body.
#[derive(Clone, Copy)]
pub(crate) enum Binder<'a> {
    /// The pattern of a `for`, its list, and the number of its item in the saga.
    For(&'a Pat, &'a Expr, usize),
    /// What is matched on, the pattern, and the guard.
    Case(&'a Expr, &'a Pat, Option<&'a Expr>),
    /// A condition with `let`.
    If(&'a Expr),
    /// The pattern of an arm of a `select`, and the number of what it waits for in the saga.
    Wait(&'a Pat, usize),
    /// An `else`, which binds nothing.
    Else,
}

impl Binder<'_> {
    /// What it names.
    pub(crate) fn names(&self, constants: Rc<BTreeSet<String>>) -> Names {
        let mut names = Names::among(constants);
        match self {
            Self::For(pat, items, _) => {
                names.expr(items);
                names.case(pat, None);
            }
            Self::Case(on, pat, guard) => {
                names.expr(on);
                names.case(pat, *guard);
            }
            Self::Wait(pat, _) => names.case(pat, None),
            Self::If(condition) => names.condition(condition),
            Self::Else => {}
        }
        names
    }

    /// True if one of its variables is `mut`.
    pub(crate) fn has_mut(&self) -> bool {
        match self {
            Self::For(pat, ..) | Self::Wait(pat, _) => has_mut(Some(pat), None),
            Self::Case(_, pat, guard) => has_mut(Some(pat), *guard),
            Self::If(condition) => has_mut(None, Some(condition)),
            Self::Else => false,
        }
    }

    /// The variables that its patterns bind, without constants of the saga, which patterns compare with.
    pub(crate) fn variables(&self, constants: &BTreeSet<String>) -> Vec<Ident> {
        let mut variables = match self {
            Self::For(pat, ..) | Self::Wait(pat, _) => variables_of(pat),
            Self::Case(_, pat, guard) => {
                let mut variables = variables_of(pat);
                variables.extend(guard.iter().flat_map(|guard| variables_in(guard)));
                variables
            }
            Self::If(condition) => variables_in(condition),
            Self::Else => Vec::new(),
        };
        variables.retain(|name| !constants.contains(&name.to_string()));
        variables
    }
}

/// The name of a `for`'s item, which the user's code cannot see.
pub(crate) fn item(number: usize) -> Ident {
    Ident::new(&format!("__item{number}"), Span::mixed_site())
}

/// The name of what an arm of a `select` waits for.
pub(crate) fn awaited(number: usize) -> Ident {
    Ident::new(&format!("__awaited{number}"), Span::mixed_site())
}

/// A binder around a node, with what must be computed again for the variables that it binds.
pub(crate) struct BinderScope<'a> {
    pub(crate) binder: Binder<'a>,
    pub(crate) variables: Vec<Ident>,
    /// What is read for it: nodes, parameters and items.
    pub(crate) sources: Vec<Ident>,
    /// The binders around it whose variables it reads, outermost first.
    pub(crate) needs: Vec<Rc<BinderScope<'a>>>,
    /// How many scopes are around it.
    pub(crate) depth: usize,
    pub(crate) reads: BTreeMap<String, Ident>,
    /// Names that cannot be replaced where they stand; see [`Names::fixed`].
    pub(crate) fixed: BTreeSet<String>,
    /// Constants of the saga that its patterns compare with.
    pub(crate) compared: Vec<Ident>,
    /// Names in its macros that may be patterns.
    pub(crate) scanned: BTreeSet<String>,
}

/// The binders that a node needs, without repetition.
#[derive(Default)]
pub(crate) struct NeededBinders<'a>(BTreeMap<usize, Rc<BinderScope<'a>>>);

impl<'a> NeededBinders<'a> {
    pub(crate) fn add(&mut self, binder: &Rc<BinderScope<'a>>) {
        for outer in &binder.needs {
            self.0.insert(outer.depth, outer.clone());
        }
        self.0.insert(binder.depth, binder.clone());
    }

    pub(crate) fn outermost_first(self) -> Vec<Rc<BinderScope<'a>>> {
        self.0.into_values().collect()
    }
}
