//! Reads `for`, `if`, `match` and `try`: the user's own patterns and expressions, and bodies of statements.

use proc_macro2::TokenTree;
use syn::parse::ParseStream;
use syn::{Attribute, Error, Expr, Pat, Token, braced, token};

use super::error_recovery::construct;
use super::head::skip_all;
use super::plain_control_flow;
use super::step::{call, step};
use super::{body, last};
use crate::errors::Errors;
use crate::saga::ast::{Arm, ArmTest, Body, Choice, ForLoop, Step, Stmt, Tail};
use crate::saga::attributes::{Attributes, no_attributes};
use crate::saga::node_options::NodeOptions;

/// Reads `for PAT in EXPR { .. }`.
pub(crate) fn for_loop(input: ParseStream, errors: &mut Errors) -> syn::Result<ForLoop> {
    let keyword = input.parse::<Token![for]>()?.span;
    let pat = input.call(Pat::parse_multi_with_leading_vert)?;
    input.parse::<Token![in]>()?;
    let items = value(input, "expected a list after `in`")?;
    has_body(input, "for item in items { .. }")?;
    Ok(ForLoop { keyword, pat, items, body: body(input, errors)? })
}

/// Reads `if COND { .. } else if COND { .. } else { .. }`.
pub(crate) fn if_branches(input: ParseStream, errors: &mut Errors) -> syn::Result<Choice> {
    let keyword = input.fork().parse::<Token![if]>()?.span;
    plain_control_flow::check(input)?;
    let mut arms = Vec::new();
    loop {
        input.parse::<Token![if]>()?;
        let test = ArmTest::If(value(input, "expected a condition after `if`")?);
        has_body(input, "if condition { .. }")?;
        arms.push(Arm { test, body: body(input, errors)? });
        if input.parse::<Option<Token![else]>>()?.is_none() {
            break;
        }
        if input.peek(Token![if]) {
            continue;
        }
        has_body(input, "else { .. }")?;
        arms.push(Arm { test: ArmTest::Else, body: body(input, errors)? });
        break;
    }
    Ok(Choice { keyword, on: None, arms })
}

/// Reads `try { .. }` and `try { .. } else { .. }`.
pub(crate) fn attempt(input: ParseStream, errors: &mut Errors) -> syn::Result<Choice> {
    let keyword = input.parse::<Token![try]>()?.span;
    has_body(input, "try { .. }")?;
    let mut attempted = body(input, errors)?;
    if attempted.stmts.is_empty() && attempted.tail.is_none() {
        let message =
            "nothing in this `try` can fail: put nodes into its braces, `try { action { .. } }`";
        let error = Error::new(keyword, message);
        errors.push(error.clone());
        // it has any type
        (attempted.tail, attempted.broken) = (Some(Tail::Broken), Some(error));
    }
    let mut arms = vec![Arm { test: ArmTest::Try, body: attempted }];
    if input.parse::<Option<Token![else]>>()?.is_some() {
        has_body(input, "else { .. }")?;
        arms.push(Arm { test: ArmTest::Else, body: body(input, errors)? });
    }
    Ok(Choice { keyword, on: None, arms })
}

/// Reads an expression that a brace ends. `let name =` is not a condition, but the next statement.
fn value(input: ParseStream, expected: &str) -> syn::Result<Expr> {
    let next = input.peek(Token![let]) && input.peek2(syn::Ident) && input.peek3(Token![=]);
    if next || input.is_empty() || input.peek(Token![;]) {
        return Err(input.error(expected));
    }
    input.call(Expr::parse_without_eager_brace)
}

pub(super) fn has_body(input: ParseStream, form: &str) -> syn::Result<()> {
    if input.peek(token::Brace) {
        return Ok(());
    }
    Err(input.error(format!("expected the nodes in braces: `{form}`")))
}

/// Reads `match EXPR { PAT => .., .. }`.
pub(crate) fn match_arms(input: ParseStream, errors: &mut Errors) -> syn::Result<Choice> {
    plain_control_flow::check(input)?;
    let keyword = input.parse::<Token![match]>()?.span;
    let on = value(input, "expected a value after `match`")?;
    has_body(input, "match value { pattern => action { .. } }")?;
    let content;
    let brace = braced!(content in input);
    let mut arms = Vec::new();
    while !content.is_empty() {
        match case(&content, errors) {
            Ok(arm) => arms.push(arm),
            Err(error) => {
                skip_all(&content);
                return Err(error);
            }
        }
    }
    if arms.is_empty() {
        return Err(Error::new(
            keyword,
            "a `match` needs at least one arm: `pattern => action { .. }`",
        ));
    }
    Ok(Choice { keyword, on: Some((on, brace)), arms })
}

fn case(input: ParseStream, errors: &mut Errors) -> syn::Result<Arm> {
    no_attributes(&input.call(Attribute::parse_outer)?, "an arm", errors);
    let pat = input.call(Pat::parse_multi_with_leading_vert)?;
    let guard = input.parse::<Option<Token![if]>>()?.map(|_| input.parse()).transpose()?;
    let arrow = input.parse::<Token![=>]>()?;
    Ok(Arm { test: ArmTest::Case(pat, guard), body: arm_body(input, arrow, errors)? })
}

/// Reads what runs in an arm, behind its `=>`.
pub(super) fn arm_body(
    input: ParseStream,
    arrow: Token![=>],
    errors: &mut Errors,
) -> syn::Result<Body> {
    let braces = input.peek(token::Brace);
    let body = if braces { body(input, errors)? } else { single(input, arrow, errors)? };
    let comma = input.parse::<Option<Token![,]>>()?.is_some();
    if !comma && !braces && !input.is_empty() {
        return Err(input.error("expected `,` after this arm"));
    }
    Ok(body)
}

/// Reads an arm without braces, which is one node.
fn single(input: ParseStream, arrow: Token![=>], errors: &mut Errors) -> syn::Result<Body> {
    let at = input.span();
    let (stmts, tail) = match construct(input) {
        Some(keyword) => match step(input, errors) {
            Step::Broken(error) => return Err(error),
            step => {
                let (node, tail) = last(step, Attributes::default(), keyword.span());
                (vec![Stmt::Node(node)], tail)
            }
        },
        None if input.is_empty() || input.peek(Token![,]) => {
            let message = "expected what runs in this case after `=>`: `action { .. }` or `{ .. }`";
            return Err(Error::new_spanned(arrow, message));
        }
        None => (Vec::new(), Tail::Literal(call(input, errors)?, NodeOptions::default())),
    };
    if input.peek(Token![;]) {
        let semicolon = input.parse::<TokenTree>()?;
        return Err(Error::new_spanned(semicolon, "arms end with `,`"));
    }
    Ok(Body { stmts, tail: Some(tail), broken: None, at })
}
