//! Finds out which node reads what, and whether it may.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::Ident;
use syn::Error;
use syn::ext::IdentExt;

use super::ast::{Call, Form, Node, Saga, Step, Stmt, Tail};
use crate::errors::{Errors, did_you_mean, list, position};
use crate::names::Names;

/// The body, with everything that the builder must be told.
pub(super) struct Wired<'a> {
    pub(super) lines: Vec<Line<'a>>,
    /// For the tail, if it is a node of its own.
    pub(super) tail: Wiring,
    /// False if the saga has no output that could be written.
    pub(super) ends: bool,
}

pub(super) enum Line<'a> {
    Parallel,
    Branch,
    End,
    Node(&'a Node, Wiring),
}

/// What a node reads, and how.
#[derive(Default)]
pub(super) struct Wiring {
    /// Which names feed which input.
    pub(super) inputs: Vec<(String, Vec<Ident>)>,
    pub(super) after: Vec<Ident>,
    /// Names that are read ahead of the step, because they cannot be replaced inside of it.
    pub(super) ahead: Vec<Ident>,
    /// Names that are replaced where they stand.
    pub(super) inside: BTreeSet<String>,
    /// Names that must not be read here, with the error that stands in for them.
    pub(super) wrong: Vec<(Ident, Error)>,
    /// Why the node cannot be written at all.
    pub(super) broken: Option<Error>,
}

pub(super) fn resolve<'a>(saga: &'a Saga, errors: &mut Errors) -> Wired<'a> {
    let mut resolver = Resolver::new(saga, errors);
    let before = resolver.errors.count();
    resolver.ends();
    let ends = resolver.errors.count() == before && !matches!(saga.tail, Some(Tail::Broken));
    let mut lines = Vec::new();
    resolver.statements(&saga.body, &mut lines);
    let tail = match &saga.tail {
        Some(Tail::Literal(call)) => resolver.call(None, call),
        Some(Tail::Value(expr)) => resolver.wiring(None, [(None, Names::of_expr(expr))]),
        Some(Tail::Name(_) | Tail::Broken) | None => Wiring::default(),
    };
    Wired { lines, tail, ends }
}

struct Resolver<'a, 'e> {
    saga: &'a Saga,
    errors: &'e mut Errors,
    /// Every node, and the first of its name.
    nodes: BTreeMap<String, &'a Node>,
    order: Vec<String>,
    /// Parameters and the nodes above.
    declared: BTreeSet<String>,
}

impl<'a, 'e> Resolver<'a, 'e> {
    fn new(saga: &'a Saga, errors: &'e mut Errors) -> Self {
        let declared = saga.head.params.iter().map(|param| param.name.to_string()).collect();
        let mut this = Self { saga, errors, nodes: BTreeMap::new(), order: Vec::new(), declared };
        this.collect(&saga.body);
        this
    }

    fn collect(&mut self, stmts: &'a [Stmt]) {
        for stmt in stmts {
            match stmt {
                Stmt::Node(node) => self.declare(node),
                Stmt::Parallel(stmts) | Stmt::Branch(stmts) => self.collect(stmts),
            }
        }
    }

    fn declare(&mut self, node: &'a Node) {
        let name = node.name.to_string();
        let saga = &self.saga.head;
        let param = saga.params.iter().find(|param| param.name == node.name);
        let first = self.nodes.get(&name).copied();
        let hint = match node.form {
            Form::Bare => format!("name this one: `let other = {name} {{ .. }};`"),
            Form::Let | Form::Const => "give this one another name".to_string(),
        };
        if let Some(param) = param {
            let place = line(&param.name);
            let message = format!(
                "saga `{}` already has a parameter named `{name}`{place}; {hint}",
                saga.name
            );
            self.errors.at(&node.name, message);
        } else if let Some(first) = first {
            if first.is_conditional() && node.is_conditional() {
                return;
            }
            let place = line(&first.name);
            let message =
                format!("saga `{}` already has a node named `{name}`{place}; {hint}", saga.name);
            self.errors.at(&node.name, message);
        } else {
            self.nodes.insert(name.clone(), node);
            self.order.push(name);
        }
    }

    /// Checks what the last line must be.
    fn ends(&mut self) {
        let head = &self.saga.head;
        match &self.saga.tail {
            _ if !head.complete => {}
            None if self.order.is_empty() => {
                self.errors.at(&head.name, format!("saga `{}` has no nodes", head.name));
            }
            None if !head.returns_unit() => {
                let message = format!(
                    "saga `{}` has no last line that gives its output: end with an action without `;`, the \
                     name of a node, or an expression in braces",
                    head.name
                );
                self.errors.at(head.output.as_ref(), message);
            }
            Some(Tail::Name(name)) if head.params.iter().any(|param| param.name == *name) => {
                let message = format!(
                    "`{name}` is a parameter, not a node; an output that is computed stands in braces: \
                     `{{ {name}.clone() }}`"
                );
                self.errors.at(name, message);
            }
            Some(Tail::Name(name)) if !self.nodes.contains_key(&name.to_string()) => {
                let text = name.to_string();
                let nearest = did_you_mean(&text, self.order.iter().map(String::as_str));
                let message = format!(
                    "saga `{}` has no node named `{text}`{nearest} (if it is an action, its inputs are \
                     missing: `{text} {{ .. }}`)",
                    head.name
                );
                self.errors.at(name, message);
            }
            Some(Tail::Literal(call)) => {
                let taken = call.name().filter(|name| self.nodes.contains_key(&name.to_string()));
                if let Some(name) = taken {
                    let message = format!(
                        "saga `{}` already has a node named `{name}`{}; name this one, and end with its name",
                        head.name,
                        self.nodes
                            .get(&name.to_string())
                            .map_or_else(String::new, |n| line(&n.name)),
                    );
                    self.errors.at(name, message);
                }
            }
            Some(Tail::Value(_)) => {
                if let Some(node) = self.nodes.get("output") {
                    let message =
                        "the saga's last line is the node `output`; give this one another name";
                    self.errors.at(&node.name, message);
                }
            }
            _ => {}
        }
    }

    fn statements(&mut self, stmts: &'a [Stmt], lines: &mut Vec<Line<'a>>) {
        for stmt in stmts {
            match stmt {
                Stmt::Node(node) => {
                    let wiring = self.node(node);
                    self.declared.insert(node.name.to_string());
                    lines.push(Line::Node(node, wiring));
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

    fn node(&mut self, node: &'a Node) -> Wiring {
        let me = Some(&node.name);
        let mut wiring = match &node.step {
            Step::Call(call) => self.call(me, call),
            Step::Value(expr) => self.wiring(me, [(None, Names::of_expr(expr))]),
            Step::Broken(_) => Wiring::default(),
        };
        if node.form == Form::Const
            && let Some((_, from)) = wiring.inputs.first()
            && let Some(name) = from.first()
        {
            let message = format!(
                "a constant reads nothing: write `let {} = {{ .. }};` for a value that is computed",
                node.name
            );
            self.errors.at(name, message);
        }
        for name in &node.after {
            if self.after(name, node) && !wiring.after.contains(name) {
                wiring.after.push(name.clone());
            }
        }
        wiring
    }

    /// True if the node may wait for this one.
    fn after(&mut self, name: &Ident, node: &Node) -> bool {
        let text = name.to_string();
        let saga = &self.saga.head.name;
        if !self.nodes.contains_key(&text) {
            let nearest = did_you_mean(&text, self.order.iter().map(String::as_str));
            let known = list(self.order.iter().map(String::as_str));
            let message = if self.declared.contains(&text) {
                format!("`{text}` is a parameter of saga `{saga}`, which is there from the start")
            } else {
                format!("saga `{saga}` has no node named `{text}`{nearest} (its nodes: {known})")
            };
            self.errors.at(name, message);
            return false;
        }
        if self.declared.contains(&text) {
            return true;
        }
        self.errors.push(below(name, Some(&node.name)));
        false
    }

    fn call(&mut self, me: Option<&Ident>, call: &Call) -> Wiring {
        let inputs = call.inputs.iter().map(|field| {
            let name = match &field.member {
                syn::Member::Named(name) => name.unraw().to_string(),
                syn::Member::Unnamed(index) => index.index.to_string(),
            };
            (Some(name), Names::of_field(field))
        });
        self.wiring(me, inputs)
    }

    /// Looks up what the inputs of a node name. Without a name of its own, an input is called what it
    /// reads.
    fn wiring(
        &mut self,
        me: Option<&Ident>,
        inputs: impl IntoIterator<Item = (Option<String>, Names)>,
    ) -> Wiring {
        let mut wiring = Wiring::default();
        let mut fixed = BTreeSet::new();
        let mut used = BTreeMap::new();
        for (input, names) in inputs {
            for exit in names.exits {
                let message = "an input is a plain expression, evaluated again at each attempt: \
                               it cannot await or return early";
                let error = Error::new(exit, message);
                self.errors.push(error.clone());
                wiring.broken.get_or_insert(error);
            }
            let mut from = Vec::new();
            for mention in names.free {
                if self.may_read(me, &mention.name, mention.certain, &mut wiring) {
                    used.entry(mention.name.to_string()).or_insert_with(|| mention.name.clone());
                    from.push(mention.name);
                }
            }
            fixed.extend(names.fixed);
            match input {
                Some(input) if !from.is_empty() => wiring.inputs.push((input, from)),
                Some(_) => {}
                None => {
                    wiring.inputs.extend(from.into_iter().map(|n| (n.unraw().to_string(), vec![n])))
                }
            }
        }
        for (text, name) in used {
            if fixed.contains(&text) {
                wiring.ahead.push(name);
            } else {
                wiring.inside.insert(text);
            }
        }
        wiring
    }

    /// True if the name is one of the saga's and declared above.
    fn may_read(
        &mut self,
        me: Option<&Ident>,
        name: &Ident,
        certain: bool,
        wiring: &mut Wiring,
    ) -> bool {
        let text = name.to_string();
        if self.declared.contains(&text) {
            return true;
        }
        if certain && self.nodes.contains_key(&text) {
            let error = below(name, me);
            self.errors.push(error.clone());
            wiring.wrong.push((name.clone(), error));
        }
        false
    }
}

fn below(name: &Ident, me: Option<&Ident>) -> Error {
    let message = if me.is_some_and(|me| me == name) {
        format!("node `{name}` cannot look up its own output")
    } else {
        format!("node `{name}` is declared below; nodes look up only nodes declared above them")
    };
    Error::new_spanned(name, message)
}

/// ` (line 3)`, where the compiler tells.
fn line(name: &Ident) -> String {
    position(name.span()).map(|(line, _)| format!(" (line {line})")).unwrap_or_default()
}
