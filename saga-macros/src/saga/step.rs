//! Reads what a node runs.

use proc_macro2::Group;
use quote::ToTokens;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Error, Expr, FieldValue, Path, Token, braced, token};

use super::ast::{Call, Step};
use super::constructs::{branches, cases, each};
use super::head::skip_all;
use super::recover::{first, never, starts_statement};
use crate::errors::Errors;
use crate::names::is_capital;

/// What stands after the `=`.
pub(super) fn step(input: ParseStream, errors: &mut Errors) -> Step {
    if let Some(error) = never(input) {
        return Step::Broken(error);
    }
    let parsed = if input.peek(Token![for]) {
        each(input, errors).map(|each| Step::For(Box::new(each)))
    } else if input.peek(Token![if]) {
        branches(input, errors).map(Step::Choose)
    } else if input.peek(Token![match]) {
        cases(input, errors).map(Step::Choose)
    } else if input.peek(token::Brace) {
        input.parse().map(Step::Value)
    } else {
        call(input, errors).map(Step::Call)
    };
    parsed.unwrap_or_else(Step::Broken)
}

/// The error for a path that stands alone.
pub(super) fn needs_inputs(path: &Path) -> Error {
    let text = text(path);
    Error::new_spanned(path, format!("the inputs of `{text}` are missing: `{text} {{ .. }}`"))
}

/// What is wrong with `Ok(..)`, and with `Some(..)` at the end.
fn wrapped(path: &Path, last: bool) -> Option<&'static str> {
    Some(match (path.get_ident()?.to_string().as_str(), last) {
        ("Ok", true) => {
            "the last line is the value itself, without `Ok`: a saga fails when one of its nodes does"
        }
        ("Ok", false) => "a node is the action itself, without `Ok`: `action { .. }`",
        ("Some", true) => {
            "the last line is the value itself, without `Some`; an output that is an `Option` stands in \
             braces: `{ Some(..) }`"
        }
        ("Err", _) => "a saga fails when one of its nodes does: leave `Err` to the actions",
        _ => return None,
    })
}

fn text(path: &Path) -> String {
    path.to_token_stream().to_string().replace(' ', "")
}

/// `path { inputs }`
pub(super) fn call(input: ParseStream, errors: &mut Errors) -> syn::Result<Call> {
    let not_an_action =
        "a node runs an action, `action { .. }`; an expression stands in braces: `{ .. }`";
    let here = input.fork();
    let path = input.call(Path::parse_mod_style).map_err(|error| match here.parse::<Expr>() {
        Ok(expr) => Error::new_spanned(first(&expr), not_an_action),
        Err(_) => error,
    })?;
    if input.peek(token::Paren) {
        input.parse::<Group>()?;
        if let Some(message) = wrapped(&path, input.is_empty()) {
            return Err(Error::new_spanned(path, message));
        }
        let text = text(&path);
        let message = format!("actions take named inputs: `{text} {{ .. }}`");
        return Err(Error::new_spanned(path, message));
    }
    if !input.peek(token::Brace) {
        if input.is_empty() || input.peek(Token![;]) || starts_statement(input) {
            errors.unfinished(&path);
            return Err(needs_inputs(&path));
        }
        return Err(Error::new_spanned(path, not_an_action));
    }
    let content;
    let brace = braced!(content in input);
    let (inputs, rest) = inputs(&content, &path).inspect_err(|_| skip_all(&content))?;
    Ok(Call { path, brace, inputs, rest })
}

/// What a call is given.
type Inputs = (Punctuated<FieldValue, Token![,]>, Option<(Token![..], Expr)>);

fn inputs(input: ParseStream, path: &Path) -> syn::Result<Inputs> {
    let mut inputs = Punctuated::new();
    let is_struct = path.segments.last().is_some_and(|last| is_capital(&last.ident));
    while !input.is_empty() {
        if input.peek(Token![..]) {
            let rest = input.parse::<Token![..]>()?;
            if is_struct && !input.is_empty() {
                let from = input.parse()?;
                return Ok((inputs, Some((rest, from))));
            }
            let message = format!(
                "a node names all inputs of its action: there is no `..` in `{}`",
                text(path)
            );
            return Err(Error::new_spanned(rest, message));
        }
        inputs.push_value(input.parse()?);
        if input.is_empty() {
            break;
        }
        inputs.push_punct(input.parse()?);
    }
    Ok((inputs, None))
}
