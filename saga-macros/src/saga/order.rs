//! Which nodes of a body wait for which: by what they read, and by where they stand. The builder decides;
//! here the same is said in rustdoc, and of an `#[after]` that changes nothing. A macro cannot call the builder,
//! so its rule (`dag/blocks.rs`) stands here once more; `tests/order.rs` compares both on random sagas.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};

use super::ast::{Form, Node, Tail};
use super::resolve::{InnerBody, Line, Wired};
use crate::saga::resolve::wiring::Wiring;

/// The nodes of a body, each with those that it waits for; what follows from others is left out.
pub(crate) struct Order<'a> {
    pub(crate) nodes: Vec<Place<'a>>,
    /// For the last line, if it is a node of its own.
    pub(crate) tail: Vec<&'a Ident>,
}

pub(crate) struct Place<'a> {
    pub(crate) node: &'a Node,
    pub(crate) bodies: &'a [InnerBody<'a>],
    pub(crate) waits_for: Vec<&'a Ident>,
    /// Names in its `#[after]` that it waits for anyway.
    redundant: Vec<&'a Ident>,
}

/// A place in the text; the innermost block is last.
enum Block {
    /// One after the other: the next statement waits for these.
    Sequence { frontier: Vec<usize>, first: bool },
    /// Side by side, behind `before`: the block's nodes start at `start`, those of the statement at
    /// `child`, and `ends` are what nothing in the block waits for.
    Parallel { start: usize, child: usize, before: Vec<usize>, ends: BTreeSet<usize> },
}

impl<'a> Order<'a> {
    pub(crate) fn of(wired: &'a Wired<'a>) -> Self {
        let mut blocks = Blocks(vec![Block::Sequence { frontier: Vec::new(), first: true }]);
        let (mut nodes, mut waits) = (Vec::<Place>::new(), Vec::<Vec<usize>>::new());
        let mut known = BTreeMap::<String, usize>::new();
        let names = |nodes: &[Place<'a>], waits: &[usize]| {
            waits.iter().filter_map(|at| nodes.get(*at)).map(|place| &place.node.name).collect()
        };
        for line in &wired.lines {
            let at = nodes.len();
            match line {
                Line::Parallel => blocks.parallel(at),
                Line::Branch => blocks.branch(at),
                Line::End => blocks.end(),
                Line::Node(node, wiring, bodies) => {
                    let find = |name: &Ident| known.get(&name.to_string()).copied();
                    let reads = reads(wiring, bodies).filter_map(find).collect::<Vec<_>>();
                    let after = wiring.after.iter().filter_map(|name| Some((name, find(name)?)));
                    let after = after.collect::<Vec<_>>();
                    let redundant = after.iter().filter(|(_, there)| {
                        let others = after.iter().map(|(_, at)| *at).filter(|at| at != there);
                        let others = others.chain(reads.iter().copied()).collect::<Vec<_>>();
                        blocks.implies(at, *there) || reaches(&waits, others, *there)
                    });
                    let redundant = redundant.map(|(name, _)| *name).collect();
                    let deps = reads.iter().copied().chain(after.iter().map(|(_, at)| *at));
                    let waited = blocks.place(at, &deps.collect::<Vec<_>>());
                    let waits_for = names(&nodes, &waited);
                    nodes.push(Place { node, bodies, waits_for, redundant });
                    waits.push(waited);
                    known.insert(node.name.to_string(), at);
                }
            }
        }
        let last = blocks.place(nodes.len(), &[]);
        let tail = names(&nodes, &last);
        Self { nodes, tail }
    }

    /// The same list as text for rustdoc.
    pub(crate) fn text(&self, wired: &Wired, indent: usize) -> String {
        let mut text = String::new();
        let line = |name: &dyn std::fmt::Display, what: String, waits_for: &[&Ident]| {
            let waits_for = waits_for.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
            let after = match waits_for.is_empty() {
                true => String::new(),
                false => format!(", after {}", waits_for.join(", ")),
            };
            format!("{:indent$}- `{name}`: {what}{after}\n", "")
        };
        for Place { node, bodies, waits_for, .. } in &self.nodes {
            let what = match node.form {
                Form::Const => "constant".to_string(),
                Form::Let | Form::Bare | Form::Numbered | Form::Last => node.step.words(),
            };
            text += &line(&node.name, what, waits_for);
            for InnerBody { wired, .. } in *bodies {
                text += &Order::of(wired).text(wired, indent + 2);
            }
        }
        match &wired.body.tail {
            Some(Tail::Literal(call, _)) => {
                if let Some(name) = call.name() {
                    text += &line(name, call.words(), &self.tail);
                }
            }
            Some(Tail::Value(_)) => text += &line(&"output", "computed".to_string(), &self.tail),
            Some(Tail::Name(_) | Tail::Broken) | None => {}
        }
        text
    }

    /// Warns of each `#[after]` that changes nothing: macros have no warnings of their own, so it is one
    /// about something deprecated.
    pub(crate) fn warnings(&self) -> TokenStream {
        let warnings = self.nodes.iter().map(|Place { node, bodies, redundant, .. }| {
            let own = redundant.iter().map(|name| {
                let note = format!(
                    "node `{}` waits for `{name}` anyway; take it out of `#[after]`",
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

/// True if one of these nodes is the other, or waits for it in the end.
fn reaches(waits: &[Vec<usize>], from: Vec<usize>, there: usize) -> bool {
    let (mut open, mut seen) = (from, BTreeSet::new());
    while let Some(at) = open.pop() {
        if at == there {
            return true;
        }
        if at > there && seen.insert(at) {
            open.extend(waits.get(at).into_iter().flatten());
        }
    }
    false
}

/// The open blocks.
struct Blocks(Vec<Block>);

impl Blocks {
    fn parallel(&mut self, here: usize) {
        self.child_starts(here);
        let before = self.frontier();
        self.0.push(Block::Parallel { start: here, child: here, before, ends: BTreeSet::new() });
    }

    fn branch(&mut self, here: usize) {
        self.child_starts(here);
        let frontier = self.frontier();
        self.0.push(Block::Sequence { frontier, first: true });
    }

    fn end(&mut self) {
        match self.0.pop() {
            Some(Block::Sequence { frontier, first: false }) => self.finished(frontier),
            Some(Block::Parallel { ends, .. }) if !ends.is_empty() => {
                self.finished(ends.into_iter().collect());
            }
            // a block without nodes changes nothing
            _ => {}
        }
    }

    /// What a node waits for that names these.
    fn place(&mut self, node: usize, names: &[usize]) -> Vec<usize> {
        self.child_starts(node);
        let named = names.iter().copied().filter(|name| !self.implies(node, *name));
        let mut waits = named.collect::<BTreeSet<_>>();
        // a sibling in this parallel block has itself waited for what stands before the block
        let since = self.beside_since();
        if !waits.iter().any(|at| since.is_some_and(|start| *at >= start)) {
            waits.extend(self.frontier());
        }
        for block in &mut self.0 {
            if let Block::Parallel { ends, .. } = block {
                ends.retain(|end| !waits.contains(end));
            }
        }
        self.finished(vec![node]);
        waits.into_iter().collect()
    }

    /// True if `other` has completed before a node at `here` starts, whatever that names: it is not in
    /// another child of an open parallel block.
    fn implies(&self, here: usize, other: usize) -> bool {
        let last = self.0.len().saturating_sub(1);
        !self.0.iter().enumerate().any(|(depth, block)| match block {
            Block::Parallel { start, child, .. } => {
                let child = if depth == last { here } else { *child };
                (*start..child).contains(&other)
            }
            Block::Sequence { .. } => false,
        })
    }

    fn child_starts(&mut self, here: usize) {
        if let Some(Block::Parallel { child, .. }) = self.0.last_mut() {
            *child = here;
        }
    }

    fn beside_since(&self) -> Option<usize> {
        let mut blocks = self.0.iter().rev();
        match (blocks.next(), blocks.next()) {
            (Some(Block::Parallel { start, .. }), _) => Some(*start),
            (Some(Block::Sequence { first: true, .. }), Some(Block::Parallel { start, .. })) => {
                Some(*start)
            }
            _ => None,
        }
    }

    fn frontier(&self) -> Vec<usize> {
        match self.0.last() {
            Some(Block::Sequence { frontier, .. }) => frontier.clone(),
            Some(Block::Parallel { before, .. }) => before.clone(),
            None => Vec::new(),
        }
    }

    fn finished(&mut self, nodes: Vec<usize>) {
        match self.0.last_mut() {
            Some(Block::Sequence { frontier, first }) => (*frontier, *first) = (nodes, false),
            Some(Block::Parallel { ends, .. }) => ends.extend(nodes),
            None => {}
        }
    }
}
