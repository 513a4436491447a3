//! Which nodes of a body wait for which, by what they read and by where they stand: for the list of nodes in rustdoc,
//! and for the warning about an `#[after]` that changes nothing. The rule is that of the builder, in `saga-order`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use saga_order::Blocks;

use super::ast::{Node, NodeForm, Tail};
use super::resolve::wiring::Wiring;
use super::resolve::{InnerBody, Line, Wired};

/// The nodes of a body, each with those that it waits for; what follows from others is left out.
pub(crate) struct Order<'a> {
    nodes: Vec<Ordered<'a>>,
    /// What the last line waits for, if it is a node of its own.
    last_line: Vec<&'a Ident>,
}

struct Ordered<'a> {
    node: &'a Node,
    bodies: &'a [InnerBody<'a>],
    waits_for: Vec<&'a Ident>,
    /// Names in its `#[after]` that it waits for anyway.
    redundant: Vec<&'a Ident>,
}

impl<'a> Order<'a> {
    pub(crate) fn of(wired: &'a Wired<'a>) -> Self {
        let mut blocks = Blocks::default();
        let (mut nodes, mut waits) = (Vec::<Ordered>::new(), Vec::<Vec<u32>>::new());
        let mut known = BTreeMap::<String, u32>::new();
        let names = |nodes: &[Ordered<'a>], waits: &[u32]| {
            let nodes = waits.iter().filter_map(|at| nodes.get(*at as usize));
            nodes.map(|ordered| &ordered.node.name).collect()
        };
        for line in &wired.lines {
            let at = number(&nodes);
            match line {
                Line::Parallel => blocks.open_parallel(at),
                Line::Branch => blocks.open_branch(at),
                Line::End => {
                    blocks.close();
                }
                Line::Node(node, wiring, bodies) => {
                    let find = |name: &Ident| known.get(&name.to_string()).copied();
                    let reads = reads(wiring, bodies).filter_map(find).collect::<Vec<_>>();
                    let after = wiring.after.iter().filter_map(|name| Some((name, find(name)?)));
                    let after = after.collect::<Vec<_>>();
                    let redundant = after.iter().filter(|(_, other)| {
                        let needs = after.iter().map(|(_, at)| *at).filter(|at| at != other);
                        let needs = needs.chain(reads.iter().copied()).collect();
                        blocks.has_completed(at, *other) || reaches(&waits, needs, *other)
                    });
                    let redundant = redundant.map(|(name, _)| *name).collect();
                    let needs = reads.iter().copied().chain(after.iter().map(|(_, at)| *at));
                    let waited = blocks.place(at, &needs.collect::<Vec<_>>());
                    let waits_for = names(&nodes, &waited);
                    nodes.push(Ordered { node, bodies, waits_for, redundant });
                    waits.push(waited);
                    known.insert(node.name.to_string(), at);
                }
            }
        }
        let last_line = names(&nodes, &blocks.place(number(&nodes), &[]));
        Self { nodes, last_line }
    }

    /// The list for rustdoc.
    pub(crate) fn text(&self, wired: &Wired, indent: usize) -> String {
        let mut text = String::new();
        let line = |name: &dyn Display, what: String, waits_for: &[&Ident]| {
            let waits_for = waits_for.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
            let after = match waits_for.is_empty() {
                true => String::new(),
                false => format!(", after {}", waits_for.join(", ")),
            };
            format!("{:indent$}- `{name}`: {what}{after}\n", "")
        };
        for Ordered { node, bodies, waits_for, .. } in &self.nodes {
            let what = match node.form {
                NodeForm::Const => "constant".to_string(),
                NodeForm::Let | NodeForm::Bare | NodeForm::Numbered | NodeForm::Last => {
                    node.step.words()
                }
            };
            text += &line(&node.name, what, waits_for);
            for InnerBody { wired, .. } in *bodies {
                text += &Order::of(wired).text(wired, indent + 2);
            }
        }
        match &wired.body.tail {
            Some(Tail::Literal(call, _)) => {
                if let Some(name) = call.name() {
                    text += &line(name, call.words(), &self.last_line);
                }
            }
            Some(Tail::Value(_)) => {
                text += &line(&"output", "computed".to_string(), &self.last_line)
            }
            Some(Tail::Name(_) | Tail::Broken) | None => {}
        }
        text
    }

    /// Warns of each `#[after]` that changes nothing: macros have no warnings of their own, so it is one
    /// about something deprecated.
    pub(crate) fn warnings(&self) -> TokenStream {
        let warnings = self.nodes.iter().map(|Ordered { node, bodies, redundant, .. }| {
            let own = redundant.iter().map(|name| {
                let note = format!(
                    "node `{}` already waits for `{name}`; remove that from `#[after]`",
                    node.name
                );
                let used = quote_spanned!(name.span()=> redundant_after);
                quote! {
                    const _: () = {
                        #[deprecated(note = #note)]
                        #[allow(non_upper_case_globals)]
                        const redundant_after: () = ();
                        #used
                    };
                }
            });
            let inner = bodies.iter().map(|body| Order::of(&body.wired).warnings());
            own.chain(inner).collect::<TokenStream>()
        });
        warnings.collect()
    }
}

/// The number of the next node.
fn number(nodes: &[Ordered]) -> u32 {
    u32::try_from(nodes.len()).unwrap_or(u32::MAX)
}

/// The names that something in this body reads.
pub(crate) fn read_in(wired: &Wired) -> BTreeSet<String> {
    let lines = wired.lines.iter().flat_map(|line| match line {
        Line::Node(_, wiring, bodies) => {
            let inner = bodies.iter().flat_map(|body| read_in(&body.wired));
            let own = wiring.inputs.iter().flat_map(|(_, from)| from).chain(&wiring.after);
            own.map(Ident::to_string).chain(inner).collect::<Vec<_>>()
        }
        Line::Parallel | Line::Branch | Line::End => Vec::new(),
    });
    let tail = wired.tail.inputs.iter().flat_map(|(_, from)| from).map(Ident::to_string);
    let name = wired.body.tail.as_ref().and_then(Tail::name).map(Ident::to_string);
    lines.chain(tail).chain(name).collect()
}

/// What a node names, in its bodies too.
fn reads<'a>(
    wiring: &'a Wiring<'a>,
    bodies: &'a [InnerBody<'a>],
) -> Box<dyn Iterator<Item = &'a Ident> + 'a> {
    let own = wiring.inputs.iter().flat_map(|(_, from)| from);
    Box::new(own.chain(bodies.iter().flat_map(|body| {
        let nodes = body.wired.lines.iter().filter_map(|line| match line {
            Line::Node(_, wiring, bodies) => Some(reads(wiring, bodies)),
            Line::Parallel | Line::Branch | Line::End => None,
        });
        nodes.flatten().chain(reads(&body.wired.tail, &[]))
    })))
}

/// True if one of these nodes is the other one, or waits for it, directly or through others.
fn reaches(waits: &[Vec<u32>], nodes: Vec<u32>, other: u32) -> bool {
    let (mut open, mut seen) = (nodes, BTreeSet::new());
    while let Some(at) = open.pop() {
        if at == other {
            return true;
        }
        if at > other && seen.insert(at) {
            open.extend(waits.get(at as usize).into_iter().flatten());
        }
    }
    false
}
