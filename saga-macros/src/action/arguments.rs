//! The arguments of the attribute: a list in which each mistake is reported by itself.

use std::time::Duration;

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Error, LitStr, Path, Token, parenthesized, token};

use crate::arguments::{Retry, items, number, path, positive, retry, text, value};
use crate::errors::{Errors, as_text};

const ARGUMENTS: &[&str] = &[
    "undo",
    "no_undo",
    "undo_on_failure",
    "retry",
    "undo_retry",
    "timeout",
    "undo_timeout",
    "in_doubt",
    "name",
    "rev",
    "label",
    "crate",
];

/// What the attribute says, as written.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) undo: Option<Undo>,
    pub(crate) no_undo: Option<NoUndo>,
    pub(crate) retry: Option<Retry>,
    pub(crate) undo_retry: Option<Retry>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) undo_timeout: Option<Duration>,
    pub(crate) in_doubt: Option<Path>,
    pub(crate) name: Option<LitStr>,
    pub(crate) rev: Option<u32>,
    pub(crate) label: Option<LitStr>,
    pub(crate) krate: Option<Path>,
    /// One argument could not be read: what it would have said is not known.
    pub(crate) incomplete: bool,
    /// The arguments that are there, in order.
    pub(crate) given: Vec<Ident>,
}

impl Args {
    pub(crate) fn given(&self, name: &str) -> Option<&Ident> {
        self.given.iter().find(|given| *given == name)
    }
}

/// `undo = path(inputs)`
pub(crate) struct Undo {
    pub(crate) path: Path,
    pub(crate) inputs: Vec<UndoInput>,
}

/// `output`, `output?` or the name of a parameter.
pub(crate) struct UndoInput {
    pub(crate) name: Ident,
    pub(crate) maybe: bool,
}

/// `no_undo`, with the reason if one is given.
pub(crate) struct NoUndo {
    pub(crate) keyword: Ident,
    pub(crate) reason: Option<String>,
}

pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Args {
    let mut args = Args::default();
    let parsed = (|input: ParseStream| {
        let complete = items(input, ARGUMENTS, errors, |name, input, errors| {
            if args.given.contains(name) {
                return Err(Error::new_spanned(name, format!("`{name}` is given twice")));
            }
            args.given.push(name.clone());
            argument(&mut args, name, input, errors)
        });
        args.incomplete = !complete;
        Ok(())
    })
    .parse2(tokens);
    errors.ok(parsed);
    args
}

fn argument(
    args: &mut Args,
    name: &Ident,
    input: ParseStream,
    errors: &mut Errors,
) -> syn::Result<()> {
    match name.to_string().as_str() {
        "undo" => args.undo = Some(undo(value(name, input)?)?),
        "no_undo" => {
            let reason = input.parse::<Option<Token![=]>>()?.map(|_| text("no_undo", input));
            let reason = reason.transpose()?.map(|reason| reason.value());
            args.no_undo = Some(NoUndo { keyword: name.clone(), reason });
        }
        // that it is given says it all
        "undo_on_failure" => {}
        "retry" => args.retry = Some(retry(name, input, errors)?),
        "undo_retry" => args.undo_retry = Some(retry(name, input, errors)?),
        "timeout" => args.timeout = Some(positive(value(name, input)?)?),
        "undo_timeout" => args.undo_timeout = Some(positive(value(name, input)?)?),
        "in_doubt" => args.in_doubt = Some(path(name, input)?),
        "name" => args.name = Some(durable_name(text("name", value(name, input)?)?)?),
        "rev" => args.rev = Some(number(value(name, input)?)?),
        "label" => args.label = Some(text("label", value(name, input)?)?),
        _ => args.krate = Some(path(name, input)?),
    }
    Ok(())
}

fn undo(input: ParseStream) -> syn::Result<Undo> {
    if input.peek(LitStr) {
        let name = input.parse::<LitStr>()?;
        return Err(given_nothing(&name, &name.value()));
    }
    let not_a_path = |error: Error| {
        let message = "an undo is a function and what it is given, such as `undo = f(output)`; an action \
                       with nothing to undo says `no_undo`";
        Error::new(error.span(), message)
    };
    let path = input.call(Path::parse_mod_style).map_err(not_a_path)?;
    if !input.peek(token::Paren) {
        let text = as_text(&path);
        if ["none", "nothing", "noop", "no_undo"].contains(&text.to_lowercase().as_str()) {
            let message = "an action with nothing to undo says `no_undo` in place of `undo = ..`";
            return Err(Error::new_spanned(path, message));
        }
        return Err(given_nothing(path, &text));
    }
    let content;
    parenthesized!(content in input);
    let inputs = content.parse_terminated(
        |input| {
            let name = input.call(Ident::parse_any)?;
            Ok(UndoInput { name, maybe: input.parse::<Option<Token![?]>>()?.is_some() })
        },
        Token![,],
    );
    match inputs {
        Ok(inputs) => Ok(Undo { path, inputs: inputs.into_iter().collect() }),
        Err(error) => {
            content.parse::<TokenStream>()?;
            let message =
                "an undo is given `output`, `output?` and parameters of the action by name";
            Err(Error::new(error.span(), message))
        }
    }
}

/// The error for an undo that is only named.
fn given_nothing(undo: impl ToTokens, name: &str) -> Error {
    let name = name.split('(').next().unwrap_or_default();
    let message = format!(
        "say what `{name}` is given: `undo = {name}(output)`, `undo = {name}(output?)`, or parameters of \
         the action by name"
    );
    Error::new_spanned(undo, message)
}

/// A name that the log can hold.
pub(crate) fn durable_name(name: LitStr) -> syn::Result<LitStr> {
    let text = name.value();
    let bad = |c: char| matches!(c, '/' | '[' | ']' | '#') || c.is_control();
    if text.is_empty() || text.len() > 200 || text.contains(bad) {
        let message =
            "a durable name has 1 to 200 bytes, none of them / [ ] # or a control character";
        return Err(Error::new_spanned(name, message));
    }
    Ok(name)
}
