//! The arguments of `#[saga_action(..)]`: the table of them, and how each is read. A mistake in one of them leaves
//! the others as they are.

use std::time::Duration;

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Error, LitStr, Path, Token, parenthesized, token};

use crate::arguments::{
    Retry, RetryOf, Word, arguments, function, number, positive_duration, retry, text, value, words,
};
use crate::errors::{Errors, as_text};

words! {
    /// What `#[saga_action(..)]` may say. [`read`] reads an argument, and [`spec`](super::spec) writes what
    /// the runtime must know of it.
    pub(crate) enum Argument {
        Undo = "undo",
        NoUndo = "no_undo",
        UndoOnFailure = "undo_on_failure",
        Probe = "probe",
        Transaction = "transaction",
        Retry = "retry",
        UndoRetry = "undo_retry",
        Timeout = "timeout",
        UndoTimeout = "undo_timeout",
        InDoubt = "in_doubt",
        Name = "name",
        Rev = "rev",
        Label = "label",
        Crate = "crate",
    }
}

impl Argument {
    /// True for what says something of an undo, and so contradicts `no_undo`.
    pub(crate) fn is_about_undo(self) -> bool {
        match self {
            Self::UndoOnFailure | Self::UndoRetry | Self::UndoTimeout => true,
            // That both `undo` and `no_undo` are given has a message of its own.
            Self::Undo | Self::NoUndo => false,
            Self::Probe
            | Self::Transaction
            | Self::Retry
            | Self::Timeout
            | Self::InDoubt
            | Self::Name
            | Self::Rev
            | Self::Label
            | Self::Crate => false,
        }
    }
}

/// What the attribute says, as written.
#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) undo: Option<Undo>,
    pub(crate) no_undo: Option<NoUndo>,
    pub(crate) probe: Option<Path>,
    pub(crate) retry: Option<Retry>,
    pub(crate) undo_retry: Option<Retry>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) undo_timeout: Option<Duration>,
    pub(crate) in_doubt: Option<Path>,
    pub(crate) name: Option<LitStr>,
    pub(crate) rev: Option<u32>,
    pub(crate) label: Option<LitStr>,
    pub(crate) krate: Option<Path>,
    /// True if one argument could not be read, so that what it would have said is unknown.
    pub(crate) incomplete: bool,
    /// The arguments that are given, in the order of the text.
    given: Vec<(Argument, Ident)>,
}

impl Arguments {
    /// Where this argument is given, if it is.
    pub(crate) fn given(&self, argument: Argument) -> Option<&Ident> {
        self.given.iter().find(|(given, _)| *given == argument).map(|(_, name)| name)
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

/// Reads the list of arguments.
pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Arguments {
    let mut args = Arguments::default();
    let parsed = (|input: ParseStream| {
        let complete = arguments(input, Argument::ALL, errors, |argument, name, input, errors| {
            if args.given(argument).is_some() {
                return Err(Error::new_spanned(name, format!("`{name}` is given twice")));
            }
            args.given.push((argument, name.clone()));
            read(argument, &mut args, name, input, errors)
        });
        args.incomplete = !complete;
        Ok(())
    })
    .parse2(tokens);
    errors.ok(parsed);
    args
}

fn read(
    argument: Argument,
    args: &mut Arguments,
    name: &Ident,
    input: ParseStream,
    errors: &mut Errors,
) -> syn::Result<()> {
    match argument {
        Argument::Undo => args.undo = Some(undo(value(name, input)?)?),
        Argument::NoUndo => {
            let reason =
                input.parse::<Option<Token![=]>>()?.map(|_| text("reason", "no_undo", input));
            let reason = reason.transpose()?.map(|reason| reason.value());
            args.no_undo = Some(NoUndo { keyword: name.clone(), reason });
        }
        // They have no value.
        Argument::UndoOnFailure | Argument::Transaction => {}
        Argument::Probe => args.probe = Some(probe(name, input)?),
        Argument::Retry => args.retry = Some(retry(name, RetryOf::Action, input, errors)?),
        Argument::UndoRetry => args.undo_retry = Some(retry(name, RetryOf::Undo, input, errors)?),
        Argument::Timeout => args.timeout = Some(positive_duration(value(name, input)?)?),
        Argument::UndoTimeout => args.undo_timeout = Some(positive_duration(value(name, input)?)?),
        Argument::InDoubt => args.in_doubt = Some(function(name, input)?),
        Argument::Name => {
            args.name = Some(durable_name(text("name", "name", value(name, input)?)?)?);
        }
        Argument::Rev => args.rev = Some(number(value(name, input)?)?),
        Argument::Label => args.label = Some(text("label", "label", value(name, input)?)?),
        Argument::Crate => args.krate = Some(library(name, input)?),
    }
    Ok(())
}

/// `probe = find`: what it takes is known, so that is not listed.
fn probe(name: &Ident, input: ParseStream) -> syn::Result<Path> {
    let path = function(name, input)?;
    if input.peek(token::Paren) {
        let given = input.parse::<TokenTree>()?;
        let message = format!(
            "a probe takes what its action takes, without listing it: `probe = {}`",
            as_text(&path)
        );
        return Err(Error::new_spanned(given, message));
    }
    Ok(path)
}

/// `crate = ::saga_core`
fn library(name: &Ident, input: ParseStream) -> syn::Result<Path> {
    let expected = |error: Error| {
        let message = "`crate` is the path of the library: `crate = ::saga_core`";
        Error::new(error.span(), message)
    };
    value(name, input)?.call(Path::parse_mod_style).map_err(expected)
}

fn undo(input: ParseStream) -> syn::Result<Undo> {
    if input.peek(LitStr) {
        let name = input.parse::<LitStr>()?;
        return Err(given_nothing(&name, &name.value()));
    }
    let not_a_path = |error: Error| {
        let message = "expected a function and its arguments, such as `undo = f(output)`; if there is \
                       nothing to undo, write `no_undo`";
        Error::new(error.span(), message)
    };
    let path = input.call(Path::parse_mod_style).map_err(not_a_path)?;
    if !input.peek(token::Paren) {
        let text = as_text(&path);
        if ["none", "nothing", "noop", "no_undo"].contains(&text.to_lowercase().as_str()) {
            let message = "if there is nothing to undo, write `no_undo` instead of `undo = ..`";
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
            let message = "an undo takes `output`, `output?` and parameters of the action, by name";
            Err(Error::new(error.span(), message))
        }
    }
}

/// The error for an undo without a list of what it is given.
fn given_nothing(undo: impl ToTokens, name: &str) -> Error {
    let name = name.split('(').next().unwrap_or_default();
    let message = format!(
        "say what to pass to `{name}`: `undo = {name}(output)`, `undo = {name}(output?)`, or parameters of \
         the action by name"
    );
    Error::new_spanned(undo, message)
}

/// Checks that a name can stand in the saga log.
pub(crate) fn durable_name(name: LitStr) -> syn::Result<LitStr> {
    let text = name.value();
    let bad = |c: char| matches!(c, '/' | '[' | ']' | '#') || c.is_control();
    if text.is_empty() || text.len() > 200 || text.contains(bad) {
        let message =
            "a durable name has 1 to 200 bytes, without `/`, `[`, `]`, `#` and control characters";
        return Err(Error::new_spanned(name, message));
    }
    Ok(name)
}
