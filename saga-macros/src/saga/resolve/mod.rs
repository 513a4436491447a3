//! Finds out which node reads what, and reports what it must not read.

pub(crate) mod binders;
mod last_line;
mod node_names;
mod owned_values;
pub(crate) mod pivots;
mod scopes;
pub(crate) mod wiring;

use std::collections::BTreeSet;

use proc_macro2::Ident;
use syn::{Error, Expr, Type};

use self::binders::Binder;
use self::owned_values::borrowed;
use self::scopes::Scopes;
use self::wiring::{Reader, Wiring, below};
use super::ast::{ArmTest, Body, Call, Choice, Node, NodeForm, Saga, Step, Stmt, Tail};
use crate::errors::{Errors, did_you_mean, list};
use crate::names::Names;

/// A body, with everything that the builder must know of it.
pub(crate) struct Wired<'a> {
    pub(crate) body: &'a Body,
    pub(crate) lines: Vec<Line<'a>>,
    /// What the last line reads, if it is a node of its own.
    pub(crate) tail: Wiring<'a>,
    /// False if the last line is wrong, so that no output can be written.
    pub(crate) ends: bool,
}

pub(crate) enum Line<'a> {
    Parallel,
    Branch,
    End,
    Node(&'a Node, Box<Wiring<'a>>, Vec<InnerBody<'a>>),
}

/// A body of a node.
pub(crate) struct InnerBody<'a> {
    pub(crate) binder: Binder<'a>,
    pub(crate) variables: Vec<Ident>,
    /// Those of its variables that are read.
    pub(crate) used: BTreeSet<String>,
    pub(crate) wired: Wired<'a>,
    /// What the wait of an arm of a `select` reads.
    pub(crate) wait: Wiring<'a>,
}

/// Resolves a saga; also returns the constants of the saga that patterns compare with.
pub(crate) fn resolve<'a>(saga: &'a Saga, errors: &mut Errors) -> (Wired<'a>, BTreeSet<String>) {
    let mut resolver =
        Resolver { saga, errors, scopes: Scopes::default(), open: Vec::new(), items: 0 };
    pivots::check(saga, resolver.errors);
    let params = saga.head.params.iter().map(|param| param.name.to_string()).collect();
    let wired = resolver.body(&saga.body, params);
    (wired, resolver.scopes.compared)
}

struct Resolver<'a, 'e> {
    saga: &'a Saga,
    errors: &'e mut Errors,
    scopes: Scopes<'a>,
    /// The node that is being resolved, last, and those in whose bodies it is.
    open: Vec<Ident>,
    /// How many `for` items and waits of a `select` are numbered so far.
    items: usize,
}

impl<'a> Resolver<'a, '_> {
    /// Resolves a body in which these names are declared from the start.
    fn body(&mut self, body: &'a Body, declared: BTreeSet<String>) -> Wired<'a> {
        let nodes = body.nodes();
        self.check_names(&nodes, declared);
        let before = self.errors.count();
        last_line::check(self.saga, body, &self.scopes, self.errors);
        let ends = self.errors.count() == before && !matches!(body.tail, Some(Tail::Broken));
        let inner = self.scopes.is_inner();
        let mut lines = Vec::new();
        self.statements(&body.stmts, &mut lines);
        let tail = match &body.tail {
            Some(Tail::Literal(call, _)) => self.reader().call(call),
            // The output of the saga itself has a written type, which rustc compares.
            Some(Tail::Value(expr)) if inner => self.value(None, expr),
            Some(Tail::Value(expr)) => {
                let names = self.names().with_expr(expr);
                self.reader().inputs([(None, names)])
            }
            Some(Tail::Name(_) | Tail::Broken) | None => Wiring::default(),
        };
        self.scopes.close_body();
        Wired { body, lines, tail, ends }
    }

    fn reader(&mut self) -> Reader<'_, 'a> {
        Reader { scopes: &mut self.scopes, errors: self.errors, open: &self.open }
    }

    fn statements(&mut self, stmts: &'a [Stmt], lines: &mut Vec<Line<'a>>) {
        for stmt in stmts {
            match stmt {
                Stmt::Node(node) => {
                    let (wiring, bodies) = self.node(node);
                    self.scopes.declare(&node.name);
                    lines.push(Line::Node(node, Box::new(wiring), bodies));
                }
                Stmt::Parallel(stmts) => self.block(Line::Parallel, stmts, lines),
                Stmt::Branch(stmts) => self.block(Line::Branch, stmts, lines),
            }
        }
    }

    fn block(&mut self, start: Line<'a>, stmts: &'a [Stmt], lines: &mut Vec<Line<'a>>) {
        lines.push(start);
        self.statements(stmts, lines);
        lines.push(Line::End);
    }

    fn node(&mut self, node: &'a Node) -> (Wiring<'a>, Vec<InnerBody<'a>>) {
        self.open.push(node.name.clone());
        node.attributes.options.check(&node.step, self.errors);
        let mut bodies = Vec::new();
        let mut wiring = match &node.step {
            Step::Call(call) => {
                self.recursion(&call.path);
                self.reader().call(call)
            }
            Step::Value(expr) => self.value(node.ty.as_ref(), expr),
            Step::For(for_loop) => {
                let binder = Binder::For(&for_loop.pat, &for_loop.items, self.items);
                self.items += 1;
                let mut names = self.names().with_expr(&for_loop.items);
                names.case(&for_loop.pat, None);
                let wiring = self.reader().inputs([(Some("items".to_string()), names)]);
                bodies.push(self.inner_body(binder, &for_loop.body));
                wiring
            }
            Step::Choice(choice) => {
                let input = Some(choice.word().to_string());
                let names = names_of(choice, self.names());
                let mut wiring = match choice.is_try() || choice.is_select() {
                    true => Wiring::default(),
                    false => self.reader().inputs([(input, names)]),
                };
                // the waits begin before anything in the arms does
                let waits = choice.arms.iter().map(|arm| match &arm.test {
                    ArmTest::Wait(_, call) => self.wait(call, &mut wiring),
                    ArmTest::If(_) | ArmTest::Try | ArmTest::Else | ArmTest::Case(..) => {
                        Wiring::default()
                    }
                });
                let waits = waits.collect::<Vec<_>>();
                for (arm, wait) in choice.arms.iter().zip(waits) {
                    let binder = match (&arm.test, &choice.on) {
                        (ArmTest::Case(pat, guard), Some((on, _))) => {
                            Binder::Case(on, pat, guard.as_ref())
                        }
                        // Only a `match`, which is on something, has cases.
                        (ArmTest::Case(..), None) => Binder::Else,
                        (ArmTest::If(condition), _) => Binder::If(condition),
                        (ArmTest::Wait(pat, _), _) => {
                            self.items += 1;
                            Binder::Wait(pat, self.items - 1)
                        }
                        (ArmTest::Try | ArmTest::Else, _) => Binder::Else,
                    };
                    bodies.push(InnerBody { wait, ..self.inner_body(binder, &arm.body) });
                }
                wiring
            }
            Step::Broken(_) => Wiring::default(),
        };
        if node.form == NodeForm::Const
            && let Some((_, from)) = wiring.inputs.first()
            && let Some(name) = from.first()
        {
            let message = format!(
                "a constant cannot read anything: write `let {} = {{ .. }};` for a computed value",
                node.name
            );
            let error = Error::new_spanned(name, message);
            self.errors.push(error.clone());
            wiring.broken.get_or_insert(error);
        }
        for name in node.attributes.options.after() {
            if self.after(name, node) && !wiring.after.contains(name) {
                wiring.after.push(name.clone());
            }
        }
        self.open.pop();
        (wiring, bodies)
    }

    /// The wait of an arm of a `select`. What it reads and what is wrong with it is also noted for the node.
    fn wait(&mut self, call: &'a Call, node: &mut Wiring<'a>) -> Wiring<'a> {
        self.recursion(&call.path);
        let mut wait = self.reader().call(call);
        node.inputs.extend(wait.inputs.iter().cloned());
        node.wrong.append(&mut wait.wrong);
        node.broken = node.broken.take().or_else(|| wait.broken.take());
        wait
    }

    /// The expression of a computed node or constant, whose value is written to the log.
    fn value(&mut self, ty: Option<&Type>, expr: &Expr) -> Wiring<'a> {
        let names = self.names().with_expr(expr);
        let mut wiring = self.reader().inputs([(None, names)]);
        if let Some(error) = borrowed(ty, expr) {
            self.errors.push(error.clone());
            wiring.broken.get_or_insert(error);
        }
        wiring
    }

    /// An empty collection of names.
    fn names(&self) -> Names {
        Names::among(self.scopes.constants())
    }

    fn inner_body(&mut self, binder: Binder<'a>, body: &'a Body) -> InnerBody<'a> {
        let variables = binder.variables(&self.scopes.constants());
        self.scopes.open_binder(binder);
        let wired = self.body(body, BTreeSet::new());
        let used = self.scopes.close_binder();
        InnerBody { binder, variables, used, wired, wait: Wiring::default() }
    }

    /// Reports a saga that is a node of itself.
    fn recursion(&mut self, path: &syn::Path) {
        let saga = &self.saga.head.name;
        if path.is_ident(saga) {
            let message = format!("saga `{saga}` contains itself: a subsaga must end somewhere");
            self.errors.at(path, message);
        }
    }

    /// True if the node may wait for the node of this name; reports it otherwise.
    fn after(&mut self, name: &Ident, node: &Node) -> bool {
        let text = name.to_string();
        let saga = &self.saga.head.name;
        if self.scopes.node_here(&text).is_none() {
            let order = self.scopes.names_here();
            let nearest = did_you_mean(&text, order.iter().map(String::as_str));
            let known = list(order.iter().map(String::as_str));
            let message = if self.saga.head.params.iter().any(|param| param.name == *name) {
                format!(
                    "`{text}` is a parameter of saga `{saga}`, which is available from the start"
                )
            } else if self.scopes.is_inner() && self.scopes.is_visible(&text) {
                format!(
                    "`{text}` is outside of this body, and has completed before the body starts"
                )
            } else {
                format!("saga `{saga}` has no node named `{text}`{nearest} (its nodes: {known})")
            };
            self.errors.at(name, message);
            return false;
        }
        if self.scopes.is_declared_here(&text) {
            return true;
        }
        self.errors.push(below(name, std::slice::from_ref(&node.name)));
        false
    }
}

/// The names that decide which arm runs.
fn names_of(choice: &Choice, mut names: Names) -> Names {
    if let Some((on, _)) = &choice.on {
        names.expr(on);
    }
    for arm in &choice.arms {
        match &arm.test {
            ArmTest::If(condition) => names.condition(condition),
            ArmTest::Case(pat, guard) => names.case(pat, guard.as_ref().map(|guard: &Expr| guard)),
            ArmTest::Try | ArmTest::Wait(..) | ArmTest::Else => {}
        }
    }
    names
}
