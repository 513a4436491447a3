//! Where the pivot, the point of no return, may be: once, in the saga itself.

use proc_macro2::{Ident, Span};
use syn::Error;

use crate::errors::Errors;
use crate::saga::ast::{Body, Call, Node, Saga, Step, Stmt, Tail};

/// The node that is the pivot, unless that is the last line, which no node can follow.
pub(crate) fn pivot(saga: &Saga) -> Option<&Node> {
    let mut nodes = saga.body.stmts.iter().filter_map(Stmt::node);
    nodes.find(|node| node.attributes.options.pivot().is_some())
}

/// True if the saga has a pivot, also if that is the last line.
pub(crate) fn has_one(saga: &Saga) -> bool {
    pivot_of(saga.body.tail.as_ref()).is_some() || pivot(saga).is_some()
}

/// The pivot on a last line.
fn pivot_of(tail: Option<&Tail>) -> Option<(Span, &Call)> {
    let (call, options) = tail?.call()?;
    Some((options.pivot()?, call))
}

/// Reports every other pivot than the one that the saga may have.
pub(crate) fn check(saga: &Saga, errors: &mut Errors) {
    let nodes = saga.body.stmts.iter().filter_map(Stmt::node);
    let pivots = nodes.filter_map(|node| Some((node.attributes.options.pivot()?, &node.name)));
    let last = pivot_of(saga.body.tail.as_ref());
    let last = last.and_then(|(at, call)| Some((at, call.name()?)));
    let mut first = None::<&Ident>;
    for (at, name) in pivots.chain(last) {
        if let Some(first) = first {
            let message = format!(
                "nodes `{first}` and `{name}` are both the pivot; a saga has at most one point of no return"
            );
            errors.push(Error::new(at, message));
        }
        first = first.or(Some(name));
    }
    for stmt in &saga.body.stmts {
        match stmt {
            Stmt::Node(node) => inside(node, errors),
            Stmt::Parallel(stmts) | Stmt::Branch(stmts) => misplaced(stmts, "parallel", errors),
        }
    }
}

/// Reports pivots in the bodies of a node.
fn inside(node: &Node, errors: &mut Errors) {
    match &node.step {
        Step::For(for_loop) => in_body(&for_loop.body, "for", errors),
        Step::Choice(choice) => {
            choice.arms.iter().for_each(|arm| in_body(&arm.body, choice.word(), errors));
        }
        Step::Call(_) | Step::Value(_) | Step::Broken(_) => {}
    }
}

fn in_body(body: &Body, block: &str, errors: &mut Errors) {
    report(pivot_of(body.tail.as_ref()).map(|(at, _)| at), block, errors);
    misplaced(&body.stmts, block, errors);
}

fn misplaced(stmts: &[Stmt], block: &str, errors: &mut Errors) {
    for stmt in stmts {
        match stmt {
            Stmt::Node(node) => {
                report(node.attributes.options.pivot(), block, errors);
                inside(node, errors);
            }
            Stmt::Parallel(stmts) | Stmt::Branch(stmts) => misplaced(stmts, block, errors),
        }
    }
}

fn report(pivot: Option<Span>, block: &str, errors: &mut Errors) {
    let message = format!(
        "the pivot cannot be inside `{block}`: every other node of the saga runs before it or after it"
    );
    if let Some(at) = pivot {
        errors.push(Error::new(at, message));
    }
}
