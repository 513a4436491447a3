//! What is visible at a place: the nodes of the bodies around it, and the variables of the binders between them.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use proc_macro2::Ident;

use super::binders::{Binder, BinderScope, NeededBinders, awaited, item};
use crate::names::is_capital;
use crate::saga::ast::{Node, NodeForm};

/// The names of one body.
#[derive(Default)]
struct BodyScope<'a> {
    /// The first node of each name.
    nodes: BTreeMap<String, &'a Node>,
    /// The names of the nodes, in the order of the text.
    order: Vec<String>,
    /// The names of its constants.
    constants: BTreeSet<String>,
    /// Parameters, and the nodes above this place.
    declared: BTreeSet<String>,
}

enum Scope<'a> {
    Body(BodyScope<'a>),
    /// A binder, and which of its variables are read.
    Binder(Rc<BinderScope<'a>>, BTreeSet<String>),
}

impl<'a> Scope<'a> {
    fn body(&self) -> Option<&BodyScope<'a>> {
        match self {
            Self::Body(body) => Some(body),
            Self::Binder(..) => None,
        }
    }

    fn body_mut(&mut self) -> Option<&mut BodyScope<'a>> {
        match self {
            Self::Body(body) => Some(body),
            Self::Binder(..) => None,
        }
    }

    fn binder(&self) -> Option<&Rc<BinderScope<'a>>> {
        match self {
            Self::Body(_) => None,
            Self::Binder(binder, _) => Some(binder),
        }
    }
}

/// The scopes around a place, innermost last.
#[derive(Default)]
pub(crate) struct Scopes<'a> {
    open: Vec<Scope<'a>>,
    /// The constants that patterns compare with somewhere, and that must be constants of Rust as well.
    pub(crate) compared: BTreeSet<String>,
}

/// What a name means.
pub(crate) enum Meaning<'a> {
    /// The output of an earlier node, or a parameter.
    Value,
    Variable(Rc<BinderScope<'a>>),
    /// A node that is declared below.
    Below,
    Unknown,
}

impl<'a> Scopes<'a> {
    pub(crate) fn open_body(&mut self, declared: BTreeSet<String>) {
        self.open.push(Scope::Body(BodyScope { declared, ..BodyScope::default() }));
    }

    pub(crate) fn open_binder(&mut self, binder: Binder<'a>) {
        let scope = self.binder_scope(binder);
        self.open.push(Scope::Binder(Rc::new(scope), BTreeSet::new()));
    }

    pub(crate) fn close_body(&mut self) {
        self.open.pop();
    }

    /// Closes a binder; the variables that were read.
    pub(crate) fn close_binder(&mut self) -> BTreeSet<String> {
        match self.open.pop() {
            Some(Scope::Binder(_, used)) => used,
            Some(Scope::Body(_)) | None => BTreeSet::new(),
        }
    }

    fn innermost(&self) -> Option<&BodyScope<'a>> {
        self.open.last().and_then(Scope::body)
    }

    fn bodies(&self) -> impl DoubleEndedIterator<Item = &BodyScope<'a>> {
        self.open.iter().filter_map(Scope::body)
    }

    /// Makes a name of the innermost body known, or returns the node that has it already.
    pub(crate) fn collect(&mut self, node: &'a Node) -> Option<&'a Node> {
        let body = self.open.last_mut().and_then(Scope::body_mut)?;
        let name = node.name.to_string();
        if node.form == NodeForm::Const {
            body.constants.insert(name.clone());
        }
        match body.nodes.get(&name) {
            Some(first) => Some(first),
            None => {
                body.order.push(name.clone());
                body.nodes.insert(name, node);
                None
            }
        }
    }

    /// From here on, the node can be read.
    pub(crate) fn declare(&mut self, name: &Ident) {
        if let Some(body) = self.open.last_mut().and_then(Scope::body_mut) {
            body.declared.insert(name.to_string());
        }
    }

    pub(crate) fn is_declared_here(&self, name: &str) -> bool {
        self.innermost().is_some_and(|body| body.declared.contains(name))
    }

    /// A node of the innermost body.
    pub(crate) fn node_here(&self, name: &str) -> Option<&'a Node> {
        self.innermost()?.nodes.get(name).copied()
    }

    /// The names of the nodes of the innermost body, in the order of the text.
    pub(crate) fn names_here(&self) -> Vec<String> {
        self.innermost().map(|body| body.order.clone()).unwrap_or_default()
    }

    /// True if the name is that of a parameter or a declared node, in any body around.
    pub(crate) fn is_visible(&self, name: &str) -> bool {
        self.bodies().any(|body| body.declared.contains(name))
    }

    pub(crate) fn is_variable(&self, name: &Ident) -> bool {
        // What is written like a variant most likely is one, and binds nothing.
        let mut binders = self.open.iter().filter_map(Scope::binder);
        !is_capital(name) && binders.any(|binder| binder.variables.contains(name))
    }

    /// The names of the constants of the bodies around this place.
    pub(crate) fn constants(&self) -> Rc<BTreeSet<String>> {
        Rc::new(self.bodies().flat_map(|body| body.constants.iter().cloned()).collect())
    }

    /// The constant of this name, of the innermost body that has one.
    pub(crate) fn constant(&self, name: &str) -> Option<&'a Node> {
        let named = |body: &BodyScope<'a>| body.nodes.get(name).copied();
        self.bodies().rev().filter_map(named).find(|node| node.form == NodeForm::Const)
    }

    /// True in a body that is not the saga's own.
    pub(crate) fn is_inner(&self) -> bool {
        self.open.len() > 1
    }

    /// What a name means around the innermost body; notes that a variable is read.
    pub(crate) fn meaning(&mut self, name: &Ident) -> Meaning<'a> {
        let text = name.to_string();
        for scope in self.open.iter_mut().rev() {
            match scope {
                Scope::Body(body) => {
                    if body.declared.contains(&text) {
                        return Meaning::Value;
                    }
                }
                Scope::Binder(binder, used) => {
                    if binder.variables.contains(name) {
                        used.insert(text);
                        return Meaning::Variable(binder.clone());
                    }
                }
            }
        }
        match self.bodies().any(|body| body.nodes.contains_key(&text)) {
            true => Meaning::Below,
            false => Meaning::Unknown,
        }
    }

    fn binder_scope(&mut self, binder: Binder<'a>) -> BinderScope<'a> {
        let constants = self.constants();
        let names = binder.names(constants.clone());
        let mut needed = NeededBinders::default();
        let mut scope = BinderScope {
            binder,
            variables: binder.variables(&constants),
            sources: Vec::new(),
            needs: Vec::new(),
            depth: self.open.len(),
            reads: BTreeMap::new(),
            fixed: names.fixed,
            compared: names.compared,
            scanned: names.scanned,
        };
        for mention in names.free {
            match self.meaning(&mention.name) {
                Meaning::Value => {
                    scope.sources.push(mention.name.clone());
                    scope.reads.insert(mention.name.to_string(), mention.name);
                }
                Meaning::Variable(outer) => needed.add(&outer),
                Meaning::Below | Meaning::Unknown => {}
            }
        }
        for outer in needed.outermost_first() {
            scope.sources.extend(outer.sources.iter().cloned());
            scope.needs.push(outer);
        }
        match binder {
            // What its list reads is read through the item.
            Binder::For(_, _, number) => scope.sources = vec![item(number)],
            Binder::Wait(_, number) => scope.sources.push(awaited(number)),
            Binder::Case(..) | Binder::If(_) | Binder::Else => {}
        }
        scope
    }
}
