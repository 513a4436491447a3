//! Reads `select`: waits that race, each with what runs if it comes first.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Attribute, Error, Expr, Pat, Token, braced, token};

use super::control_flow::arm_body;
use super::error_recovery::{construct, first};
use super::head::skip_all;
use super::step::call;
use super::waits::{event, is_without_inputs, timeout};
use crate::errors::{Errors, as_text};
use crate::saga::ast::{Arm, ArmTest, Body, Call, Choice};
use crate::saga::attributes::no_attributes;

/// Reads `select { PAT = WAIT => .., .. }`.
pub(super) fn select(input: ParseStream, errors: &mut Errors) -> syn::Result<Choice> {
    let keyword = input.call(Ident::parse_any)?.span();
    let content;
    braced!(content in input);
    let mut arms = Vec::new();
    while !content.is_empty() {
        match arm(&content, errors) {
            Ok(arm) => arms.push(arm),
            Err(error) => {
                skip_all(&content);
                return Err(error);
            }
        }
    }
    if let Some(message) = too_few(&arms) {
        return Err(Error::new(keyword, message));
    }
    same_event(&arms)?;
    let arms = arms.into_iter().map(|(pat, call, body)| {
        let test = ArmTest::Wait(pat, Box::new(call));
        Arm { test, body }
    });
    Ok(Choice { keyword, on: None, arms: arms.collect() })
}

/// What is bound, what it waits for, and what runs then.
type WaitArm = (Pat, Call, Body);

/// What to say of fewer than two arms.
fn too_few(arms: &[WaitArm]) -> Option<String> {
    match arms {
        [] => Some(
            "a `select` needs at least two arms, and runs the one whose wait ends first: \
             `name = wait_for::<Event> {} => action { .. }, _ = sleep { duration: .. } => ..`"
                .to_string(),
        ),
        [(pat, call, _)] => {
            let (name, wait) = (as_text(pat), as_text(&call.path));
            let inputs = if is_without_inputs(call) { "{}" } else { "{ .. }" };
            Some(format!(
                "a `select` needs at least two arms: add the one that ends the wait otherwise, such as \
                 `_ = sleep {{ duration: .. }} => ..`, or wait without `select`: `let {name} = {wait} {inputs};`"
            ))
        }
        _ => None,
    }
}

/// Reports two arms that wait for the same event, as far as its name tells.
fn same_event(arms: &[WaitArm]) -> syn::Result<()> {
    for (n, (_, call, _)) in arms.iter().enumerate() {
        let Some(name) = event(&call.path) else { continue };
        let text = as_text(name);
        let mut before = arms.iter().take(n).filter_map(|(_, call, _)| event(&call.path));
        if before.any(|other| as_text(other) == text) {
            let message = format!(
                "an arm above already waits for `{text}`, and gets it: wait for it once, and decide behind the \
                 `=>` with `if` or `match`"
            );
            return Err(Error::new_spanned(name, message));
        }
    }
    Ok(())
}

fn arm(input: ParseStream, errors: &mut Errors) -> syn::Result<WaitArm> {
    no_attributes(&input.call(Attribute::parse_outer)?, "an arm", errors);
    let pat = name(input)?;
    let equals = input.parse::<Token![=]>()?;
    if input.is_empty() || input.peek(Token![=>]) || input.peek(Token![,]) {
        let message = "expected what this arm waits for after `=`: `wait_for::<Event> {}` or `sleep { duration: .. }`";
        return Err(Error::new_spanned(equals, message));
    }
    if construct(input).is_some() || input.peek(token::Brace) {
        let message = "an arm of a `select` waits for one event or time: `wait_for::<Event> {}`, \
                       `sleep { duration: .. }` or `sleep_until { at: .. }`; all else stands behind its `=>`";
        return Err(input.error(message));
    }
    let call = call(input, errors)?;
    if let Some(timeout) = timeout(&call) {
        let message = "a wait in a `select` has no timeout of its own: the time is another arm, \
                       `_ = sleep { duration: .. } => ..`";
        return Err(Error::new_spanned(&timeout.member, message));
    }
    if input.peek(Token![.]) || input.peek(Token![?]) {
        return Err(input.error("not needed here: a `select` awaits each of its arms"));
    }
    if input.peek(Token![if]) || (input.peek(Token![,]) && input.peek2(Token![if])) {
        let message =
            "an arm of a `select` has no condition: decide behind its `=>` with `if` or `match`";
        return Err(input.error(message));
    }
    let Some(arrow) = input.parse::<Option<Token![=>]>>()? else {
        let message =
            "expected what runs when this comes first: `.. => action { .. }` or `.. => { .. }`";
        return Err(Error::new_spanned(&call.path, message));
    };
    let body = arm_body(input, arrow, errors)?;
    Ok((pat, call, body))
}

/// Reads the name of what an arm waits for, up to the `=`.
fn name(input: ParseStream) -> syn::Result<Pat> {
    if input.peek(Token![else]) {
        let message =
            "a `select` has no `else`: the time is an arm, `_ = sleep { duration: .. } => ..`";
        return Err(input.error(message));
    }
    let here = input.fork();
    let pat = input.call(Pat::parse_multi_with_leading_vert);
    if pat.is_ok() && input.peek(Token![=]) && !input.peek(Token![=>]) {
        return pat;
    }
    let unnamed = "an arm of a `select` names what came, or ignores it with `_`: `name = wait_for::<Event> {} => ..`";
    match (pat, here.fork().call(Expr::parse_without_eager_brace)) {
        (Ok(pat), _) => Err(Error::new_spanned(first(&pat), unnamed)),
        (Err(_), Ok(wait)) => Err(Error::new_spanned(first(&wait), unnamed)),
        (Err(error), Err(_)) => Err(error),
    }
}
