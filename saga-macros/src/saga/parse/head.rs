//! Reads the head of a saga: everything in front of its body.

use proc_macro2::{Group, Ident, TokenTree};
use syn::parse::ParseStream;
use syn::{Attribute, Error, Path, Token, Type, Visibility, parenthesized, parse_quote, token};

use super::parameters::{Kept, generic, params, skip_generics, unkept};
use crate::action::durable_name;
use crate::arguments::{RetryOf, Word, number, text, words};
use crate::errors::{Errors, said_once};
use crate::saga::ast::Head;
use crate::saga::node_options::{retry, value};

/// Reads the head, up to the brace of the body. None if not even the name can be read.
pub(crate) fn head(input: ParseStream, errors: &mut Errors) -> Option<Head> {
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
        version: None,
        forever: false,
        context: parse_quote!(()),
        params: Vec::new(),
        output: None,
        complete: true,
    };
    take_ours(&mut head, errors);
    if let Err(error) = rest(&mut head, input, errors) {
        errors.push(error);
        head.complete = false;
        skip_to_body(input);
    }
    Some(head)
}

words! {
    /// The attributes of a saga that are ours; all others belong to its struct.
    enum HeadAttribute {
        Saga = "saga",
        Name = "name",
        Retry = "retry",
        Version = "version",
    }
}

/// Reads our attributes, and leaves the others in the head.
fn take_ours(head: &mut Head, errors: &mut Errors) {
    for attr in std::mem::take(&mut head.attrs) {
        let name = attr.path().get_ident().map(Ident::to_string).unwrap_or_default();
        match HeadAttribute::find(&name) {
            Some(HeadAttribute::Saga) => {
                if let Some(path) = errors.ok(library(&attr)) {
                    head.krate = path;
                }
            }
            Some(HeadAttribute::Name) => {
                let name = |input: ParseStream| durable_name(text("name", "name", input)?);
                head.durable = errors.ok(value(&attr, "name = \"..\"", name));
            }
            Some(HeadAttribute::Retry) => {
                let parsed = retry(&attr, RetryOf::Node, errors);
                if errors.ok(parsed).is_some_and(|retry| !retry.forever) {
                    let message = "a saga itself takes only `#[retry(forever)]`, which says that none of its \
                                   nodes gives up; put other retries on the nodes";
                    errors.at(attr.path(), message);
                } else {
                    head.forever = true;
                }
            }
            Some(HeadAttribute::Version) => match errors.ok(value(&attr, "version = 2", number)) {
                Some(0) => errors
                    .at(&attr, "versions count from 1, which is the one without this attribute"),
                version => head.version = version,
            },
            None => head.attrs.push(attr),
        }
    }
}

/// `#[saga(crate = path)]`
fn library(attr: &Attribute) -> syn::Result<Path> {
    attr.parse_args_with(|input: ParseStream| {
        let expected = |error: Error| Error::new(error.span(), "expected `crate = path`");
        input.parse::<Token![crate]>().map_err(expected)?;
        input.parse::<Token![=]>().map_err(expected)?;
        input.call(Path::parse_mod_style)
    })
}

fn rest(head: &mut Head, input: ParseStream, errors: &mut Errors) -> syn::Result<()> {
    let name = head.name.clone();
    let mut is_generic = false;
    if input.parse::<Option<Token![<]>>()?.is_none() {
        let message = format!(
            "name the context that its actions share: `{name}<Context>(..)`, or `{name}<()>(..)`"
        );
        let error = Error::new_spanned(&name, message);
        if !input.peek(token::Paren) {
            return Err(error);
        }
        errors.push(error);
        head.complete = false;
    } else {
        let context = context(&name, input)?;
        if input.parse::<Option<Token![>]>>()?.is_some() {
            head.context = context;
            said_once(&mut head.context);
        } else {
            errors.push(generic(&name, &context, input));
            (head.complete, is_generic) = (false, true);
            skip_generics(input);
        }
    }
    if !input.peek(token::Paren) {
        let expected = match input.peek(token::Brace) {
            true => "put the parameters in parentheses",
            false => "expected the parameters of the saga",
        };
        let message = format!("{expected}: `{name}<..>(name: Type, ..)` or `{name}<..>()`");
        return Err(Error::new(input.span(), message));
    }
    let content;
    parenthesized!(content in input);
    let before = errors.count();
    let params = params(&name, &content, errors);
    if errors.count() == before && !is_generic {
        head.params = params;
    }
    head.complete &= errors.count() == before;
    if input.parse::<Option<Token![->]>>()?.is_some() {
        let expected =
            |error: Error| Error::new(error.span(), "expected the type of the output after `->`");
        let mut output = input.parse().map_err(expected)?;
        match unkept(&name, Kept::Output, &output) {
            None => {
                said_once(&mut output);
                head.output = Some(output);
            }
            Some(error) => {
                errors.push(error);
                head.complete = false;
            }
        }
    }
    if input.peek(Token![where]) {
        head.params.clear();
        return Err(input.error("a saga cannot be generic: remove the `where`"));
    }
    if !input.peek(token::Brace) {
        return Err(Error::new(
            input.span(),
            format!("expected the body of saga `{name}`: `{{ .. }}`"),
        ));
    }
    Ok(())
}

/// Reads what follows the `<`.
fn context(saga: &Ident, input: ParseStream) -> syn::Result<Type> {
    let parsed = input.parse::<Type>();
    parsed.map_err(|error| {
        let message = format!(
            "expected the context of saga `{saga}`: `{saga}<Context>(..)`, or `{saga}<()>(..)`"
        );
        Error::new(error.span(), message)
    })
}

/// Skips to the body. Braces that the output or another brace follows are not the body, but around the
/// parameters.
fn skip_to_body(input: ParseStream) {
    let mut last = None;
    while !input.is_empty() {
        if input.peek(token::Brace) && !input.peek2(Token![->]) && !input.peek2(token::Brace) {
            break;
        }
        match input.parse::<TokenTree>() {
            Ok(token) => last = Some(token),
            Err(_) => return,
        }
    }
    // This is `note { .. }`, and the brace of the body is missing: what follows cannot be read.
    if matches!(last, Some(TokenTree::Ident(_))) {
        let _ = input.parse::<Option<Group>>();
    }
}

/// Skips the rest, so that syn does not report it.
pub(crate) fn skip_all(input: ParseStream) {
    while !input.is_empty() {
        if input.parse::<TokenTree>().is_err() {
            return;
        }
    }
}
