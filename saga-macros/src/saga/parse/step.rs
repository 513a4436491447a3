//! Reads what a node runs.

use proc_macro2::{Group, Ident, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Expr, FieldValue, Path, Token, braced, token};

use super::control_flow::{attempt, for_loop, if_branches, match_arms};
use super::error_recovery::{first, is_select, never, starts_statement};
use super::head::skip_all;
use super::select::select;
use super::waits;
use crate::errors::{Errors, as_text};
use crate::names::is_capital;
use crate::saga::ast::{Call, Step};

/// Reads what follows the `=`.
pub(crate) fn step(input: ParseStream, errors: &mut Errors) -> Step {
    if let Some(error) = never(input) {
        return Step::Broken(error);
    }
    let parsed = if input.peek(Token![for]) {
        for_loop(input, errors).map(|for_loop| Step::For(Box::new(for_loop)))
    } else if input.peek(Token![if]) {
        if_branches(input, errors).map(Step::Choice)
    } else if input.peek(Token![match]) {
        match_arms(input, errors).map(Step::Choice)
    } else if input.peek(Token![try]) {
        attempt(input, errors).map(Step::Choice)
    } else if is_select(input) {
        select(input, errors).map(Step::Choice)
    } else if input.peek(token::Brace) {
        input.parse().map(Step::Value)
    } else {
        call(input, errors).map(Step::Call)
    };
    parsed.unwrap_or_else(Step::Broken)
}

/// The error for a path that stands alone.
pub(crate) fn needs_inputs(path: &Path) -> Error {
    let text = as_text(path);
    Error::new_spanned(path, format!("the inputs of `{text}` are missing: `{text} {{ .. }}`"))
}

/// What is wrong with `Ok(..)` and `Err(..)`, and with `Some(..)` on the last line.
fn wrapped(path: &Path, last: bool) -> Option<&'static str> {
    Some(match (path.get_ident()?.to_string().as_str(), last) {
        ("Ok", true) => {
            "the last line is the value itself, without `Ok`: a saga fails when one of its nodes does"
        }
        ("Ok", false) => "a node is the action itself, without `Ok`: `action { .. }`",
        ("Some", true) => {
            "the last line is the value itself, without `Some`; put an output that is an `Option` in \
             braces: `{ Some(..) }`"
        }
        ("Err", _) => "a saga fails when one of its nodes does: leave `Err` to the actions",
        _ => return None,
    })
}

/// Reads `path { inputs }`.
pub(crate) fn call(input: ParseStream, errors: &mut Errors) -> syn::Result<Call> {
    let not_an_action =
        "a node runs an action, `action { .. }`; put an expression in braces: `{ .. }`";
    let here = input.fork();
    // an action's path has no generic arguments, unless it waits for an event
    let path = match waits::path(input) {
        Some(path) => path?,
        None => input.call(Path::parse_mod_style).map_err(|error| match here.parse::<Expr>() {
            Ok(expr) => Error::new_spanned(first(&expr), not_an_action),
            Err(_) => error,
        })?,
    };
    if input.peek(token::Paren) {
        input.parse::<Group>()?;
        if let Some(message) = wrapped(&path, input.is_empty()) {
            return Err(Error::new_spanned(path, message));
        }
        let text = as_text(&path);
        let message = format!(
            "`{text}(..)` calls a function: an action takes its inputs by name, `{text} {{ .. }}`; put an \
             expression in braces, `{{ {text}(..) }}`"
        );
        return Err(Error::new_spanned(path, message));
    }
    if !input.peek(token::Brace) {
        if input.peek(syn::Ident) && input.peek2(Token![:]) && !input.peek2(Token![::]) {
            let text = as_text(&path);
            let message = format!("put the inputs of `{text}` in braces: `{text} {{ .. }}`");
            skip_inputs(input);
            return Err(Error::new_spanned(path, message));
        }
        if input.is_empty() || input.peek(Token![;]) || starts_statement(input) {
            errors.unfinished(&path);
            return Err(needs_inputs(&path));
        }
        return Err(Error::new_spanned(path, not_an_action));
    }
    let content;
    let brace = braced!(content in input);
    let (mut inputs, rest) = inputs(&content, &path).inspect_err(|_| skip_all(&content))?;
    let mut path = path;
    waits::complete(&mut path, &mut inputs);
    Ok(Call { path, brace, inputs, rest })
}

/// The inputs of a call, and its `..rest`.
type Inputs = (Punctuated<FieldValue, Token![,]>, Option<Box<(Token![..], Expr)>>);

fn inputs(input: ParseStream, path: &Path) -> syn::Result<Inputs> {
    let mut inputs = Punctuated::new();
    let is_struct = path.segments.last().is_some_and(|last| is_capital(&last.ident));
    while !input.is_empty() {
        if input.peek(Token![..]) {
            let rest = input.parse::<Token![..]>()?;
            if is_struct && !input.is_empty() {
                let from = input.parse()?;
                return Ok((inputs, Some(Box::new((rest, from)))));
            }
            let message = format!(
                "a node names all inputs of its action: remove the `..` from `{}`",
                as_text(path)
            );
            return Err(Error::new_spanned(rest, message));
        }
        inputs.push_value(one_input(input, path)?);
        if input.is_empty() {
            break;
        }
        if !input.peek(Token![,]) {
            return Err(input.error("inputs are separated by `,`"));
        }
        inputs.push_punct(input.parse()?);
    }
    Ok((inputs, None))
}

/// Reads `name: expr`, or `name`.
fn one_input(input: ParseStream, path: &Path) -> syn::Result<FieldValue> {
    let here = input.fork();
    let error = match input.parse::<FieldValue>() {
        Ok(field) => {
            if input.peek(Token![=]) {
                let name = field.member.to_token_stream();
                return Err(input.error(format!("an input is written with `:`, `{name}: ..`")));
            }
            return Ok(field);
        }
        Err(error) => error,
    };
    here.call(Attribute::parse_outer)?;
    let at = here.span();
    let keyword = here.fork().call(Ident::parse_any).ok().filter(|_| !here.peek(syn::Ident));
    match keyword {
        Some(keyword) if here.peek2(Token![:]) => {
            let message = format!(
                "`{keyword}` is a keyword of Rust: an input of this name is `r#{keyword}: ..`"
            );
            Err(Error::new(at, message))
        }
        None if here.peek(syn::Ident) && here.peek2(Token![:]) => Err(error),
        _ => {
            let message = format!("inputs are given by name: `{} {{ name: .. }}`", as_text(path));
            Err(Error::new(at, message))
        }
    }
}

/// Skips inputs without braces.
fn skip_inputs(input: ParseStream) {
    while !input.is_empty() && !input.peek(Token![;]) && !input.peek(Token![let]) {
        if input.parse::<TokenTree>().is_err() {
            return;
        }
    }
}
