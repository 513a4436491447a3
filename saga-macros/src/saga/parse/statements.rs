//! Reads the statements of a body or a block, one after the other.

use proc_macro2::{Ident, TokenTree};
use syn::parse::ParseStream;
use syn::{Attribute, Error, Expr, Path, Token, braced, token};

use super::declarations::{constant, node};
use super::error_recovery::{
    construct, first, is_parallel, never, skip_construct, skip_statement, starts_statement,
    unknown_block,
};
use super::last;
use super::statement_end::finish;
use super::step::{call, needs_inputs, step};
use super::unknown_statements::{UnknownStatement, named_parallel, unknown_statement};
use crate::errors::Errors;
use crate::saga::ast::{Node, NodeForm, Step, Stmt, Tail};
use crate::saga::attributes::{Attributes, attributes, check_last, no_attributes};

/// Where a statement stands.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Place {
    Body,
    Parallel,
    Branch,
}

/// What a statement turned out to be.
enum Parsed {
    Stmt(Stmt),
    Tail(Tail),
    Unknown(UnknownStatement),
    /// A last line that is a node with bodies of its own.
    Last(Box<Node>, Tail),
    /// An error, which is reported.
    Nothing,
}

impl Parsed {
    fn node(node: Node) -> Self {
        Self::Stmt(Stmt::Node(Box::new(node)))
    }
}

/// Reads the statements of a body or block, and its last line.
pub(crate) fn statements(
    input: ParseStream,
    place: Place,
    errors: &mut Errors,
) -> (Vec<Stmt>, Option<Tail>) {
    let mut stmts = Vec::new();
    while !input.is_empty() {
        let before = input.cursor();
        match statement(input, place, errors) {
            Ok(Parsed::Stmt(stmt)) => stmts.push(stmt),
            Ok(Parsed::Tail(tail)) => return (stmts, Some(tail)),
            Ok(Parsed::Last(node, tail)) => {
                stmts.push(Stmt::Node(node));
                return (stmts, Some(tail));
            }
            Ok(Parsed::Unknown(unknown)) => stmts.extend(declared(unknown, &stmts, errors)),
            Ok(Parsed::Nothing) => {}
            Err(error) => {
                errors.push(error);
                skip_statement(input);
            }
        }
        if input.cursor() == before {
            // whatever is wrong with it is reported; to read it again would never end
            let _ = input.parse::<TokenTree>();
        }
    }
    (stmts, None)
}

/// The nodes that an unknown statement would have declared, so that nodes that read them are not reported too.
fn declared(unknown: UnknownStatement, stmts: &[Stmt], errors: &mut Errors) -> Vec<Stmt> {
    let UnknownStatement { names, error, assigns } = unknown;
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
        form: NodeForm::Let,
        ty: None,
        step: Step::Broken(error.clone()),
    };
    names.into_iter().map(|name| Stmt::Node(Box::new(node(name)))).collect()
}

fn statement(input: ParseStream, place: Place, errors: &mut Errors) -> syn::Result<Parsed> {
    let attrs = input.call(Attribute::parse_outer)?;
    let mut read = with_attributes(attrs.clone(), input, place, errors)?;
    let named = "name this node, `let name = ..;`, and end with its name";
    match &mut read {
        Parsed::Tail(Tail::Name(name)) => {
            check_last(&attrs, false, &format!("put it on the node `{name}`"), errors);
        }
        Parsed::Tail(Tail::Value(_)) => check_last(&attrs, false, named, errors),
        Parsed::Tail(Tail::Literal(..)) => check_last(&attrs, true, named, errors),
        Parsed::Last(node, _) => {
            check_last(&attrs, true, named, errors);
            node.attributes.rustc.clear();
        }
        Parsed::Tail(Tail::Broken) | Parsed::Stmt(_) | Parsed::Unknown(_) | Parsed::Nothing => {}
    }
    Ok(read)
}

fn with_attributes(
    attrs: Vec<Attribute>,
    input: ParseStream,
    place: Place,
    errors: &mut Errors,
) -> syn::Result<Parsed> {
    let named = named_parallel(input);
    let is_named = named.is_some();
    named.into_iter().for_each(|error| errors.push(error));
    let unknown = unknown_block(input);
    if is_parallel(input) || unknown.is_some() {
        // Its nodes are declared all the same.
        unknown.into_iter().for_each(|error| errors.push(error));
        no_attributes(&attrs, "`parallel`", errors);
        input.parse::<Ident>()?;
        let content;
        braced!(content in input);
        let stmts = statements(&content, Place::Parallel, errors).0;
        if is_named {
            input.parse::<Option<Token![;]>>()?;
        }
        return Ok(Parsed::Stmt(Stmt::Parallel(stmts)));
    }
    if input.peek(token::Brace) && place == Place::Parallel {
        no_attributes(&attrs, "a branch", errors);
        let content;
        braced!(content in input);
        return Ok(Parsed::Stmt(Stmt::Branch(statements(&content, Place::Branch, errors).0)));
    }
    let attributes = attributes(attrs, errors);
    if let Some(unknown) = unknown_statement(input) {
        return Ok(Parsed::Unknown(unknown));
    }
    if input.peek(Token![let]) {
        return node(input, attributes, errors).map(Parsed::node);
    }
    if input.peek(Token![const]) {
        return constant(input, attributes, errors).map(Parsed::node);
    }
    if let Some(error) = never(input) {
        errors.push(error);
        skip_construct(input);
        return Ok(Parsed::Nothing);
    }
    if let Some(keyword) = construct(input) {
        let step = step(input, errors);
        if let Step::Broken(error) = step {
            errors.push(error);
            skip_construct(input);
            return Ok(Parsed::Nothing);
        }
        if place == Place::Body && input.is_empty() {
            let (node, tail) = last(step, attributes, keyword.span());
            return Ok(Parsed::Last(node, tail));
        }
        input.parse::<Option<Token![;]>>()?;
        let (name, form) = (keyword, NodeForm::Numbered);
        return Ok(Parsed::node(Node { attributes, name, form, ty: None, step }));
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
            return Ok(Parsed::Nothing);
        }
        return Ok(Parsed::Tail(Tail::Value(block)));
    }
    bare(input, place, attributes, errors)
}

/// Reads `action { .. };`, or a last line that is no construct.
fn bare(
    input: ParseStream,
    place: Place,
    attributes: Attributes,
    errors: &mut Errors,
) -> syn::Result<Parsed> {
    let ahead = input.fork();
    let path = ahead.call(Path::parse_mod_style);
    let last = place == Place::Body;
    match path {
        Ok(path) if ahead.is_empty() && last => {
            input.call(Path::parse_mod_style)?;
            match path.get_ident() {
                Some(name) => return Ok(Parsed::Tail(Tail::Name(name.clone()))),
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
            return Ok(Parsed::Nothing);
        }
        _ => {
            let returns = input.peek(Token![return]);
            let expr = input.parse::<Expr>();
            let message = if returns {
                "there is no `return`: the last line, without `;`, is the value"
            } else if last && input.is_empty() {
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
            return Ok(Parsed::Nothing);
        }
    };
    if last && input.is_empty() {
        for name in attributes.options.after() {
            errors.at(
                name,
                "the last line waits for everything above it anyway: remove it from `#[after]`",
            );
        }
        return Ok(Parsed::Tail(Tail::Literal(call, attributes.options)));
    }
    let Some(name) = call.name().cloned() else { return Ok(Parsed::Nothing) };
    let mut step = Step::Call(call);
    finish(input, &mut step, errors);
    Ok(Parsed::node(Node { attributes, name, form: NodeForm::Bare, ty: None, step }))
}
