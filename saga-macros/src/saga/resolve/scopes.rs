//! What is visible where: the nodes of the bodies around a place, and the variables of the patterns
//! between them.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use proc_macro2::{Ident, Span};
use syn::{Expr, Pat};

use crate::names::{Names, has_mut, is_capital, variables_in, variables_of};
use crate::saga::ast::{Body, Form, Node, Stmt};

/// A `for` or an arm around a node: what must be computed again for the variables that it binds.
pub(crate) struct Level<'a> {
    pub(crate) how: How<'a>,
    pub(crate) variables: Vec<Ident>,
    /// What is read for it: nodes, parameters and items.
    pub(crate) sources: Vec<Ident>,
    /// The levels around it whose variables it reads, outermost first.
    needs: Vec<Rc<Level<'a>>>,
    depth: usize,
    pub(crate) reads: BTreeMap<String, Ident>,
    pub(crate) fixed: BTreeSet<String>,
    /// What its patterns and its macros say of constants of the saga.
    pub(crate) compared: Vec<Ident>,
    pub(crate) scanned: BTreeSet<String>,
}

/// How a level binds its variables.
#[derive(Clone, Copy)]
pub(crate) enum How<'a> {
    /// The pattern, the list, and the number of the item.
    For(&'a Pat, &'a Expr, usize),
    Case(&'a Expr, &'a Pat, Option<&'a Expr>),
    If(&'a Expr),
    /// Nothing is bound.
    Else,
}

impl How<'_> {
    fn names(&self, constants: Rc<BTreeSet<String>>) -> Names {
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
            Self::If(condition) => names.condition(condition),
            Self::Else => {}
        }
        names
    }

    /// True if one of its variables is `mut`.
    pub(crate) fn has_mut(&self) -> bool {
        match self {
            Self::For(pat, ..) => has_mut(Some(pat), None),
            Self::Case(_, pat, guard) => has_mut(Some(pat), *guard),
            Self::If(condition) => has_mut(None, Some(condition)),
            Self::Else => false,
        }
    }

    /// The variables that its patterns bind, those not among them that are constants of the saga.
    pub(crate) fn variables(&self, constants: &BTreeSet<String>) -> Vec<Ident> {
        let mut variables = match self {
            Self::For(pat, ..) => variables_of(pat),
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

/// The name of the item of a `for`, which the user's code cannot see.
pub(crate) fn item(number: usize) -> Ident {
    Ident::new(&format!("__item{number}"), Span::mixed_site())
}

enum Scope<'a> {
    Body {
        /// The first node of each name.
        nodes: BTreeMap<String, &'a Node>,
        order: Vec<String>,
        /// The names of its constants.
        constants: BTreeSet<String>,
        /// Parameters and the nodes above.
        declared: BTreeSet<String>,
    },
    Level(Rc<Level<'a>>, BTreeSet<String>),
}

/// The scopes around a place, innermost last.
#[derive(Default)]
pub(crate) struct Scopes<'a> {
    open: Vec<Scope<'a>>,
    /// The constants that stand in patterns somewhere, and must be constants of Rust.
    pub(crate) compared: BTreeSet<String>,
}

/// What a name means.
pub(crate) enum Meaning<'a> {
    /// A parameter or an earlier node.
    Slot,
    Variable(Rc<Level<'a>>),
    /// A node that is declared below.
    Below,
    Unknown,
}

impl<'a> Scopes<'a> {
    pub(crate) fn open_body(&mut self, declared: BTreeSet<String>) {
        let (nodes, constants) = (BTreeMap::new(), BTreeSet::new());
        self.open.push(Scope::Body { nodes, order: Vec::new(), constants, declared });
    }

    pub(crate) fn open_level(&mut self, how: How<'a>) {
        let level = self.level(how);
        self.open.push(Scope::Level(Rc::new(level), BTreeSet::new()));
    }

    /// Closes the innermost scope; the variables of a level that were read.
    pub(crate) fn close(&mut self) -> BTreeSet<String> {
        match self.open.pop() {
            Some(Scope::Level(_, used)) => used,
            _ => BTreeSet::new(),
        }
    }

    /// Makes a name of the innermost body known; the node that has it already.
    pub(crate) fn collect(&mut self, node: &'a Node) -> Option<&'a Node> {
        let Some(Scope::Body { nodes, order, constants, .. }) = self.open.last_mut() else {
            return None;
        };
        let name = node.name.to_string();
        if node.form == Form::Const {
            constants.insert(name.clone());
        }
        match nodes.get(&name) {
            Some(first) => Some(first),
            None => {
                order.push(name.clone());
                nodes.insert(name, node);
                None
            }
        }
    }

    /// From here on, the node can be read.
    pub(crate) fn declare(&mut self, name: &Ident) {
        if let Some(Scope::Body { declared, .. }) = self.open.last_mut() {
            declared.insert(name.to_string());
        }
    }

    pub(crate) fn is_declared_here(&self, name: &str) -> bool {
        matches!(self.open.last(), Some(Scope::Body { declared, .. }) if declared.contains(name))
    }

    /// A node of the innermost body.
    pub(crate) fn node_here(&self, name: &str) -> Option<&'a Node> {
        match self.open.last() {
            Some(Scope::Body { nodes, .. }) => nodes.get(name).copied(),
            _ => None,
        }
    }

    /// The nodes of the innermost body, in order.
    pub(crate) fn names_here(&self) -> Vec<String> {
        match self.open.last() {
            Some(Scope::Body { order, .. }) => order.clone(),
            _ => Vec::new(),
        }
    }

    /// True if the name is one of a node or parameter that is declared, in any body around.
    pub(crate) fn is_visible(&self, name: &str) -> bool {
        let declares = |scope: &Scope| matches!(scope, Scope::Body { declared, .. } if declared.contains(name));
        self.open.iter().any(declares)
    }

    pub(crate) fn is_variable(&self, name: &Ident) -> bool {
        // what is written like a variant is in all likelihood one, and binds nothing
        let binds = |scope: &Scope| matches!(scope, Scope::Level(level, _) if level.variables.contains(name));
        !is_capital(name) && self.open.iter().any(binds)
    }

    /// The names of the constants of the bodies around this place.
    pub(crate) fn constants(&self) -> Rc<BTreeSet<String>> {
        let of_body = |scope: &Scope| match scope {
            Scope::Body { constants, .. } => constants.iter().cloned().collect::<Vec<_>>(),
            Scope::Level(..) => Vec::new(),
        };
        Rc::new(self.open.iter().flat_map(of_body).collect())
    }

    /// The constant of this name, of the innermost body that has one.
    pub(crate) fn constant(&self, name: &str) -> Option<&'a Node> {
        self.open.iter().rev().find_map(|scope| match scope {
            Scope::Body { nodes, .. } => {
                nodes.get(name).copied().filter(|node| node.form == Form::Const)
            }
            Scope::Level(..) => None,
        })
    }

    /// True in a body that is not the saga's own.
    pub(crate) fn is_inner(&self) -> bool {
        self.open.len() > 1
    }

    /// What a name means around the innermost body; a read of a variable is noted.
    pub(crate) fn meaning(&mut self, name: &Ident) -> Meaning<'a> {
        let text = name.to_string();
        for scope in self.open.iter_mut().rev() {
            match scope {
                Scope::Body { declared, .. } if declared.contains(&text) => return Meaning::Slot,
                Scope::Level(level, used) if level.variables.contains(name) => {
                    used.insert(text);
                    return Meaning::Variable(level.clone());
                }
                _ => {}
            }
        }
        let below = |scope: &Scope| match scope {
            Scope::Body { nodes, .. } => nodes.contains_key(&text),
            Scope::Level(..) => false,
        };
        if self.open.iter().any(below) { Meaning::Below } else { Meaning::Unknown }
    }

    fn level(&mut self, how: How<'a>) -> Level<'a> {
        let constants = self.constants();
        let names = how.names(constants.clone());
        let mut needed = Needed::default();
        let mut level = Level {
            how,
            variables: how.variables(&constants),
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
                Meaning::Slot => {
                    level.sources.push(mention.name.clone());
                    level.reads.insert(mention.name.to_string(), mention.name);
                }
                Meaning::Variable(outer) => needed.add(&outer),
                Meaning::Below | Meaning::Unknown => {}
            }
        }
        for outer in needed.levels() {
            level.sources.extend(outer.sources.iter().cloned());
            level.needs.push(outer);
        }
        if let How::For(_, _, number) = how {
            // what its list reads is read through the item
            level.sources = vec![item(number)];
        }
        level
    }
}

/// Levels without repetition.
#[derive(Default)]
pub(crate) struct Needed<'a>(BTreeMap<usize, Rc<Level<'a>>>);

impl<'a> Needed<'a> {
    pub(crate) fn add(&mut self, level: &Rc<Level<'a>>) {
        for outer in &level.needs {
            self.0.insert(outer.depth, outer.clone());
        }
        self.0.insert(level.depth, level.clone());
    }

    /// Outermost first.
    pub(crate) fn levels(self) -> Vec<Rc<Level<'a>>> {
        self.0.into_values().collect()
    }
}

/// Every node of a body, those in its blocks included.
pub(crate) fn nodes_of(body: &Body) -> Vec<&Node> {
    fn collect<'a>(stmts: &'a [Stmt], nodes: &mut Vec<&'a Node>) {
        for stmt in stmts {
            match stmt {
                Stmt::Node(node) => nodes.push(node),
                Stmt::Parallel(stmts) | Stmt::Branch(stmts) => collect(stmts, nodes),
            }
        }
    }
    let mut nodes = Vec::new();
    collect(&body.stmts, &mut nodes);
    nodes
}
