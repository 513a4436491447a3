//! Where the point of no return may stand: once, in the saga itself.

use proc_macro2::{Ident, Span};
use syn::Error;

use crate::errors::Errors;
use crate::saga::ast::{Arm, Node, Saga, Step, Stmt, Tail};

/// The pivot of a saga, if it is a statement: nothing stands behind a last line.
pub(crate) fn pivot(saga: &Saga) -> Option<&Node> {
    saga.body.stmts.iter().find_map(|stmt| match stmt {
        Stmt::Node(node) if node.settings.pivot.is_some() => Some(&**node),
        _ => None,
    })
}

/// True if the saga has a point of no return, also where it is the last line.
pub(crate) fn has_one(saga: &Saga) -> bool {
    let last = matches!(&saga.body.tail, Some(Tail::Literal(_, last)) if last.pivot.is_some());
    last || pivot(saga).is_some()
}

/// Reports every other pivot than the one that the saga may have.
pub(crate) fn check(saga: &Saga, errors: &mut Errors) {
    let nodes = saga.body.stmts.iter().filter_map(|stmt| match stmt {
        Stmt::Node(node) => Some((node.settings.pivot?, &node.name)),
        _ => None,
    });
    let last = match &saga.body.tail {
        Some(Tail::Literal(call, settings)) => settings.pivot.zip(call.name()),
        _ => None,
    };
    let mut first = None::<&Ident>;
    for (at, name) in nodes.chain(last) {
        if let Some(first) = first {
            let message = format!(
                "nodes `{first}` and `{name}` are both the pivot; a saga has one point of no return at most"
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
        Step::For(each) => {
            last(each.body.tail.as_ref(), "for", errors);
            misplaced(&each.body.stmts, "for", errors);
        }
        Step::Choose(choose) => {
            for Arm { body, .. } in &choose.arms {
                last(body.tail.as_ref(), choose.word(), errors);
                misplaced(&body.stmts, choose.word(), errors);
            }
        }
        _ => {}
    }
}

fn last(tail: Option<&Tail>, block: &str, errors: &mut Errors) {
    if let Some(Tail::Literal(_, settings)) = tail {
        report(settings.pivot, block, errors);
    }
}

fn misplaced(stmts: &[Stmt], block: &str, errors: &mut Errors) {
    for stmt in stmts {
        match stmt {
            Stmt::Node(node) => {
                report(node.settings.pivot, block, errors);
                inside(node, errors);
            }
            Stmt::Parallel(stmts) | Stmt::Branch(stmts) => misplaced(stmts, block, errors),
        }
    }
}

fn report(pivot: Option<Span>, block: &str, errors: &mut Errors) {
    let message = format!(
        "the pivot stands outside of `{block}`: every other node of the saga is before it or behind it"
    );
    if let Some(at) = pivot {
        errors.push(Error::new(at, message));
    }
}
