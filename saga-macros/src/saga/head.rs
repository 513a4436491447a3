//! Reads the first line of a saga.

use proc_macro2::{Ident, TokenTree};
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Path, Token, Type, Visibility, parenthesized, parse_quote, token};

use super::ast::{Head, Param};
use super::attributes::{retry, value};
use crate::action::durable_name;
use crate::errors::Errors;

/// The head, and a stop before the body's brace. None if not even a name can be read.
pub(super) fn head(input: ParseStream, errors: &mut Errors) -> Option<Head> {
    let read = |input: ParseStream| {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse::<Visibility>()?;
        if !input.peek(syn::Ident) {
            return Err(
                input.error("expected a saga: `Name<Context>(param: Type, ..) -> Output { .. }`")
            );
        }
        Ok((attrs, vis, input.parse::<Ident>()?))
    };
    let Some((attrs, vis, name)) = errors.ok(read(input)) else {
        skip_to_body(input);
        return None;
    };
    let mut head = Head {
        attrs,
        krate: parse_quote!(::saga_core),
        vis,
        name,
        durable: None,
        forever: false,
        context: parse_quote!(()),
        params: Vec::new(),
        output: None,
        complete: true,
    };
    settings(&mut head, errors);
    if let Err(error) = rest(&mut head, input, errors) {
        errors.push(error);
        head.complete = false;
        skip_to_body(input);
    }
    Some(head)
}

/// Takes `#[saga(crate = path)]`, `#[name = ".."]` and `#[retry(forever)]` out of the attributes.
fn settings(head: &mut Head, errors: &mut Errors) {
    for attr in std::mem::take(&mut head.attrs) {
        if attr.path().is_ident("saga") {
            let parsed = attr.parse_args_with(|input: ParseStream| {
                let expected = |error: Error| Error::new(error.span(), "expected `crate = path`");
                input.parse::<Token![crate]>().map_err(expected)?;
                input.parse::<Token![=]>().map_err(expected)?;
                input.call(Path::parse_mod_style)
            });
            if let Some(path) = errors.ok(parsed) {
                head.krate = path;
            }
        } else if attr.path().is_ident("name") {
            let name = value(&attr, "name = \"..\"", |input| durable_name(input.parse()?));
            head.durable = errors.ok(name);
        } else if attr.path().is_ident("retry") {
            let parsed = retry(&attr, errors);
            match errors.ok(parsed) {
                Some(retry) if !retry.forever => {
                    let message = "a saga takes `#[retry(forever)]` alone, which says that none of its \
                                   nodes gives up; how often one is tried stands at the node";
                    errors.at(attr.path(), message);
                }
                _ => head.forever = true,
            }
        } else {
            head.attrs.push(attr);
        }
    }
}

fn rest(head: &mut Head, input: ParseStream, errors: &mut Errors) -> syn::Result<()> {
    let name = head.name.clone();
    if input.parse::<Option<Token![<]>>()?.is_none() {
        let message = format!(
            "say which context its actions share: `{name}<Context>(..)`, or `{name}<()>(..)`"
        );
        let error = Error::new_spanned(&name, message);
        if !input.peek(token::Paren) {
            return Err(error);
        }
        errors.push(error);
        head.complete = false;
    } else {
        head.context = input.parse()?;
        input.parse::<Token![>]>()?;
    }
    if !input.peek(token::Paren) {
        let message =
            format!("expected the parameters of saga `{name}`: `(name: Type, ..)` or `()`");
        return Err(Error::new(input.span(), message));
    }
    let content;
    parenthesized!(content in input);
    let params = Punctuated::<Param, Token![,]>::parse_terminated_with(&content, param);
    match params {
        Ok(params) => head.params.extend(params),
        Err(error) => {
            skip_all(&content);
            return Err(error);
        }
    }
    let mut borrows = false;
    for param in &head.params {
        if let Type::Reference(reference) = &param.ty
            && reference.lifetime.as_ref().is_none_or(|lifetime| lifetime.ident != "static")
        {
            let message = format!(
                "saga `{name}` keeps its parameters in the saga log, so it owns them: leave the `&` out"
            );
            errors.at(&param.ty, message);
            borrows = true;
        }
    }
    if borrows {
        head.complete = false;
        head.params.clear();
    }
    if input.parse::<Option<Token![->]>>()?.is_some() {
        head.output = Some(input.parse()?);
    }
    if !input.peek(token::Brace) {
        return Err(Error::new(
            input.span(),
            format!("expected the body of saga `{name}`: `{{ .. }}`"),
        ));
    }
    Ok(())
}

fn param(input: ParseStream) -> syn::Result<Param> {
    let attrs = input.call(Attribute::parse_outer)?;
    let name = input.parse()?;
    input.parse::<Token![:]>()?;
    Ok(Param { attrs, name, ty: input.parse()? })
}

fn skip_to_body(input: ParseStream) {
    while !input.is_empty() && !input.peek(token::Brace) {
        if input.parse::<TokenTree>().is_err() {
            return;
        }
    }
}

/// Reads what is left, so that syn does not report it.
pub(super) fn skip_all(input: ParseStream) {
    while !input.is_empty() {
        if input.parse::<TokenTree>().is_err() {
            return;
        }
    }
}
