//! Reads sagas. After a mistake, reading continues with the next statement, so that a line that is being typed is one
//! error and no other node is lost.

mod control_flow;
mod declarations;
mod error_recovery;
mod head;
mod parameters;
mod plain_control_flow;
mod select;
mod statement_end;
mod statements;
mod step;
mod trailing_dots;
mod unknown_statements;
mod unnamed_nodes;
pub(crate) mod waits;

use std::collections::BTreeMap;

use proc_macro2::{Ident, Span};
use syn::parse::ParseStream;
use syn::{braced, parse_quote, token};

pub(crate) use self::trailing_dots::finish_trailing_dots;

use self::head::head;
use self::statements::{Place, statements};
use self::unnamed_nodes::number;
use super::ast::{Body, Node, NodeForm, Saga, Step, Stmt, Tail};
use super::attributes::Attributes;
use crate::errors::Errors;

/// Reads one saga. None if not even its name can be read.
pub(crate) fn saga(input: ParseStream, errors: &mut Errors) -> Option<Saga> {
    let Some(mut head) = head(input, errors) else {
        // Nobody can say whose body this is.
        errors.ok(input.parse::<Option<proc_macro2::Group>>());
        return None;
    };
    if !input.peek(token::Brace) {
        let (stmts, at) = (Vec::new(), head.name.span());
        let body = Body { stmts, tail: Some(Tail::Broken), broken: None, at };
        return Some(Saga { head, body });
    }
    let body = self::body(input, errors);
    let mut body = errors.ok(body)?;
    head.complete &= !errors.lost_names;
    if let Some(Stmt::Node(last)) = body.stmts.last_mut()
        && last.form == NodeForm::Last
    {
        if head.returns_unit() && !gives_unit(&last.step) {
            // As in Rust, it runs for its effect.
            last.form = NodeForm::Numbered;
            body.tail = None;
        } else {
            last.ty = Some(head.output.clone().unwrap_or_else(|| parse_quote!(())));
        }
    }
    number(&mut body, &mut BTreeMap::new());
    Some(Saga { head, body })
}

/// False if the output is something other than `()` even if all of its bodies return `()`.
fn gives_unit(step: &Step) -> bool {
    match step {
        Step::For(_) => false,
        Step::Choice(choice) => choice.is_total(),
        Step::Call(_) | Step::Value(_) | Step::Broken(_) => true,
    }
}

/// Reads statements in braces.
pub(crate) fn body(input: ParseStream, errors: &mut Errors) -> syn::Result<Body> {
    let content;
    let brace = braced!(content in input);
    let before = errors.count();
    let (stmts, tail) = statements(&content, Place::Body, errors);
    // The last line may be among what could not be read.
    let broken = errors.count() > before;
    let at = brace.span.join();
    let why = errors.since(before).filter(|_| tail.is_none());
    Ok(Body { stmts, tail: tail.or(broken.then_some(Tail::Broken)), broken: why, at })
}

/// The node, and the name that the last line stands for, of a `for`, `if`, `match`, `try` or `select` on the last line.
pub(crate) fn last(step: Step, attributes: Attributes, at: Span) -> (Box<Node>, Tail) {
    let name = Ident::new("output", at);
    let tail = Tail::Name(name.clone());
    let node = Node { attributes, name, form: NodeForm::Last, ty: None, step };
    (Box::new(node), tail)
}
