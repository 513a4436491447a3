//! Reads the body of a saga. After a mistake it goes on with the next statement, so that a line that is
//! being typed is one error and no other node is lost.

mod control_flow;
mod error_recovery;
mod head;
mod parameters;
mod plain_control_flow;
mod statement_end;
mod step;
mod trailing_dots;
mod unknown_statements;
mod unnamed_nodes;

use std::collections::BTreeMap;

use proc_macro2::{Ident, Span};
use syn::parse::ParseStream;
use syn::{Attribute, Error, Expr, Path, Token, braced, parse_quote, token};

use self::error_recovery::{
    construct, first, is_parallel, never, skip_construct, skip_statement, starts_statement,
    unknown_block,
};
use self::head::head;
use self::statement_end::finish;
use self::step::{call, needs_inputs, step};
use self::unknown_statements::{Astray, astray, named_parallel};
use self::unnamed_nodes::number;
use super::ast::{Body, Form, Node, Saga, Step, Stmt, Tail};
use super::attributes::{Attributes, attributes, check_last, no_attributes};
use crate::errors::Errors;

pub(crate) use self::trailing_dots::finish as finish_trailing_dots;

/// Where a statement stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Body,
    Parallel,
    Branch,
}

/// What came of reading one statement.
enum Read {
    Stmt(Stmt),
    Tail(Tail),
    /// Something that the language does not have.
    Astray(Astray),
    /// A last line that is a node with bodies of its own.
    Last(Box<Node>, Tail),
    Nothing,
}

impl Read {
    fn node(node: Node) -> Self {
        Self::Stmt(Stmt::Node(Box::new(node)))
    }
}

/// One saga of the block.
pub(crate) fn saga(input: ParseStream, errors: &mut Errors) -> Option<Saga> {
    let Some(mut head) = head(input, errors) else {
        // the body of nothing
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
        && last.form == Form::Last
    {
        if head.returns_unit() && !gives_unit(&last.step) {
            // as in Rust, it is there for its effect
            last.form = Form::Numbered;
            body.tail = None;
        } else {
            last.ty = Some(head.output.clone().unwrap_or_else(|| parse_quote!(())));
        }
    }
    number(&mut body, &mut BTreeMap::new());
    Some(Saga { head, body })
}

/// False if the output is not `()` whatever its bodies give.
fn gives_unit(step: &Step) -> bool {
    match step {
        Step::For(_) => false,
        Step::Choose(choose) => choose.is_total(),
        Step::Call(_) | Step::Value(_) | Step::Broken(_) => true,
    }
}

/// What stands in braces.
pub(crate) fn body(input: ParseStream, errors: &mut Errors) -> syn::Result<Body> {
    let content;
    let brace = braced!(content in input);
    let before = errors.count();
    let (stmts, tail) = statements(&content, Place::Body, errors);
    // a last line may be among what could not be read
    let broken = errors.count() > before;
    let at = brace.span.join();
    let why = errors.since(before).filter(|_| tail.is_none());
    Ok(Body { stmts, tail: tail.or(broken.then_some(Tail::Broken)), broken: why, at })
}

/// A `for`, `if` or `match` on the last line.
pub(crate) fn last(step: Step, attributes: Attributes, at: Span) -> (Box<Node>, Tail) {
    let name = Ident::new("output", at);
    let tail = Tail::Name(name.clone());
    let node = Node { attributes, name, form: Form::Last, ty: None, step };
    (Box::new(node), tail)
}

fn statements(input: ParseStream, place: Place, errors: &mut Errors) -> (Vec<Stmt>, Option<Tail>) {
    let mut stmts = Vec::new();
    while !input.is_empty() {
        match statement(input, place, errors) {
            Ok(Read::Stmt(stmt)) => stmts.push(stmt),
            Ok(Read::Tail(tail)) => return (stmts, Some(tail)),
            Ok(Read::Last(node, tail)) => {
                stmts.push(Stmt::Node(node));
                return (stmts, Some(tail));
            }
            Ok(Read::Astray(astray)) => stmts.extend(declared(astray, &stmts, errors)),
            Ok(Read::Nothing) => {}
            Err(error) => {
                errors.push(error);
                skip_statement(input);
            }
        }
    }
    (stmts, None)
}

/// The nodes that a statement would have declared: what reads them is not wrong.
fn declared(astray: Astray, stmts: &[Stmt], errors: &mut Errors) -> Vec<Stmt> {
    let Astray { names, error, assigns } = astray;
    let mut nodes = stmts.iter().filter_map(Stmt::node);
    if let Some(node) = nodes.find(|node| assigns && names.contains(&node.name)) {
        // A `let hotel;` above it is reported already.
        if !matches!(node.step, Step::Broken(_)) {
            let message = format!("the output of node `{}` never changes", node.name);
            errors.push(Error::new(error.span(), message));
        }
        return Vec::new();
    }
    errors.push(error.clone());
    errors.lost_names |= names.is_empty();
    let node = |name: Ident| Node {
        attributes: Attributes::default(),
        name,
        form: Form::Let,
        ty: None,
        step: Step::Broken(error.clone()),
    };
    names.into_iter().map(|name| Stmt::Node(Box::new(node(name)))).collect()
}

fn statement(input: ParseStream, place: Place, errors: &mut Errors) -> syn::Result<Read> {
    let attrs = input.call(Attribute::parse_outer)?;
    let mut read = with_attributes(attrs.clone(), input, place, errors)?;
    let named = "name this node, `let name = ..;`, and end with its name";
    match &mut read {
        Read::Tail(Tail::Name(name)) => {
            check_last(&attrs, false, &format!("put it on the node `{name}`"), errors);
        }
        Read::Tail(Tail::Value(_)) => check_last(&attrs, false, named, errors),
        Read::Tail(Tail::Literal(..)) => check_last(&attrs, true, named, errors),
        Read::Last(node, _) => {
            check_last(&attrs, true, named, errors);
            node.attributes.rustc.clear();
        }
        Read::Tail(Tail::Broken) | Read::Stmt(_) | Read::Astray(_) | Read::Nothing => {}
    }
    Ok(read)
}

fn with_attributes(
    attrs: Vec<Attribute>,
    input: ParseStream,
    place: Place,
    errors: &mut Errors,
) -> syn::Result<Read> {
    let named = named_parallel(input);
    let is_named = named.is_some();
    named.into_iter().for_each(|error| errors.push(error));
    let unknown = unknown_block(input);
    if is_parallel(input) || unknown.is_some() {
        // its nodes are there all the same
        unknown.into_iter().for_each(|error| errors.push(error));
        no_attributes(&attrs, "`parallel`", errors);
        input.parse::<Ident>()?;
        let content;
        braced!(content in input);
        let stmts = statements(&content, Place::Parallel, errors).0;
        if is_named {
            input.parse::<Option<Token![;]>>()?;
        }
        return Ok(Read::Stmt(Stmt::Parallel(stmts)));
    }
    if input.peek(token::Brace) && place == Place::Parallel {
        no_attributes(&attrs, "a branch", errors);
        let content;
        braced!(content in input);
        return Ok(Read::Stmt(Stmt::Branch(statements(&content, Place::Branch, errors).0)));
    }
    let attributes = attributes(attrs, errors);
    if let Some(astray) = astray(input) {
        return Ok(Read::Astray(astray));
    }
    if input.peek(Token![let]) {
        return node(input, attributes, errors).map(Read::node);
    }
    if input.peek(Token![const]) {
        return constant(input, attributes, errors).map(Read::node);
    }
    if let Some(error) = never(input) {
        errors.push(error);
        skip_construct(input);
        return Ok(Read::Nothing);
    }
    if let Some(keyword) = construct(input) {
        let step = step(input, errors);
        if let Step::Broken(error) = step {
            errors.push(error);
            skip_construct(input);
            return Ok(Read::Nothing);
        }
        if place == Place::Body && input.is_empty() {
            let (node, tail) = last(step, attributes, keyword.span());
            return Ok(Read::Last(node, tail));
        }
        input.parse::<Option<Token![;]>>()?;
        let (name, form) = (keyword, Form::Numbered);
        return Ok(Read::node(Node { attributes, name, form, ty: None, step }));
    }
    if input.peek(token::Brace) {
        if place == Place::Branch {
            return Err(input.error("a branch must be directly inside `parallel { .. }`"));
        }
        let block = input.parse::<Expr>()?;
        if !input.is_empty() {
            let message =
                "only the last line can be an expression; a computed node is `let name = { .. };`";
            errors.at(first(&block), message);
            return Ok(Read::Nothing);
        }
        return Ok(Read::Tail(Tail::Value(block)));
    }
    bare(input, place, attributes, errors)
}

/// `let name: Type = step;`
fn node(input: ParseStream, attributes: Attributes, errors: &mut Errors) -> syn::Result<Node> {
    input.parse::<Token![let]>()?;
    if let Some(keyword) = input.parse::<Option<Token![mut]>>()? {
        errors.at(keyword, "a node's output never changes: remove `mut`");
    }
    let unnamed = input.parse::<Option<Token![_]>>()?;
    let named = input.peek(syn::Ident) && !input.peek2(token::Brace) && !input.peek2(token::Paren);
    if unnamed.is_none() && !named {
        return Err(input.error("a node has one name: `let name = action { .. };`"));
    }
    let name = match unnamed {
        Some(token) => Ident::new("value", token.span),
        None => input.parse::<Ident>()?,
    };
    let head = (|| {
        let ty = input.parse::<Option<Token![:]>>()?.map(|_| input.parse()).transpose()?;
        let equals = input.parse::<Option<Token![=]>>()?.ok_or_else(|| {
            let message = format!("say what node `{name}` runs: `let {name} = action {{ .. }};`");
            Error::new(name.span(), message)
        })?;
        if input.is_empty() || input.peek(Token![let]) || input.peek(Token![;]) {
            let message = "expected an action and its inputs after `=`: `action { .. };`";
            return Err(Error::new_spanned(equals, message));
        }
        Ok(ty)
    })();
    let (ty, mut step) = match head {
        Ok(ty) => (ty, step(input, errors)),
        Err(error) => (None, Step::Broken(error)),
    };
    finish(input, &mut step, errors);
    let form = if unnamed.is_some() { Form::Numbered } else { Form::Let };
    Ok(Node { attributes, name, form, ty, step })
}

/// `const NAME: Type = expr;`
fn constant(input: ParseStream, attributes: Attributes, errors: &mut Errors) -> syn::Result<Node> {
    input.parse::<Token![const]>()?;
    let name = input.parse::<Ident>()?;
    input.parse::<Token![:]>()?;
    let ty = Some(input.parse()?);
    input.parse::<Token![=]>()?;
    let mut step = match input.parse() {
        Ok(expr) => Step::Value(expr),
        Err(error) => Step::Broken(error),
    };
    finish(input, &mut step, errors);
    Ok(Node { attributes, name, form: Form::Const, ty, step })
}

/// `action { .. };`, or the last line.
fn bare(
    input: ParseStream,
    place: Place,
    attributes: Attributes,
    errors: &mut Errors,
) -> syn::Result<Read> {
    let ahead = input.fork();
    let path = ahead.call(Path::parse_mod_style);
    let last = place == Place::Body;
    match path {
        Ok(path) if ahead.is_empty() && last => {
            input.call(Path::parse_mod_style)?;
            match path.get_ident() {
                Some(name) => return Ok(Read::Tail(Tail::Name(name.clone()))),
                None => {
                    errors.unfinished(&path);
                    return Err(needs_inputs(&path));
                }
            }
        }
        Ok(_) if ahead.peek(token::Brace) || ahead.peek(token::Paren) => {}
        Ok(path) if ahead.peek(Token![;]) || starts_statement(&ahead) || ahead.is_empty() => {
            input.call(Path::parse_mod_style)?;
            input.parse::<Option<Token![;]>>()?;
            errors.unfinished(&path);
            errors.push(needs_inputs(&path));
            return Ok(Read::Nothing);
        }
        _ => {
            let expr = input.parse::<Expr>();
            let message = if last && input.is_empty() {
                "the last line is an action, the name of a node, or an expression in braces: `{ .. }`"
            } else {
                "expected a node, `let name = action { .. };` or `action { .. };`, or `parallel { .. }`"
            };
            return Err(match expr {
                Ok(expr) => Error::new_spanned(first(&expr), message),
                Err(error) => Error::new(error.span(), message),
            });
        }
    }
    let call = match call(input, errors) {
        Ok(call) => call,
        Err(error) => {
            errors.push(error);
            if !starts_statement(input) {
                skip_statement(input);
            }
            return Ok(Read::Nothing);
        }
    };
    if last && input.is_empty() {
        for name in attributes.options.after() {
            errors.at(
                name,
                "the last line waits for everything above it anyway: remove it from `#[after]`",
            );
        }
        return Ok(Read::Tail(Tail::Literal(call, attributes.options)));
    }
    let Some(name) = call.name().cloned() else { return Ok(Read::Nothing) };
    let mut step = Step::Call(call);
    finish(input, &mut step, errors);
    Ok(Read::node(Node { attributes, name, form: Form::Bare, ty: None, step }))
}
