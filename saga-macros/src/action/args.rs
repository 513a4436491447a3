//! The arguments of the attribute: a list in which each mistake is reported by itself.

use std::time::Duration;

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Error, Lit, LitInt, LitStr, Path, Token, parenthesized, token};

use crate::errors::{Errors, did_you_mean, list};

const ARGUMENTS: &[&str] = &[
    "undo", "no_undo", "retry", "undo_retry", "timeout", "undo_timeout", "in_doubt", "name", "rev",
    "label", "crate",
];
const RETRY: &[&str] = &["max", "base", "cap", "factor", "jitter", "when", "forever"];
const UNDO_RETRY: &[&str] = &["max", "base", "cap", "factor", "jitter", "forever"];

/// What the attribute says, as written.
#[derive(Default)]
pub(super) struct Args {
    pub(super) undo: Option<Undo>,
    pub(super) no_undo: Option<NoUndo>,
    pub(super) retry: Option<Retry>,
    pub(super) undo_retry: Option<Retry>,
    pub(super) timeout: Option<Duration>,
    pub(super) undo_timeout: Option<Duration>,
    pub(super) in_doubt: Option<Path>,
    pub(super) name: Option<LitStr>,
    pub(super) rev: Option<u32>,
    pub(super) label: Option<LitStr>,
    pub(super) krate: Option<Path>,
    /// One argument could not be read: what it would have said is not known.
    pub(super) incomplete: bool,
    /// The arguments that are there, in order.
    pub(super) given: Vec<Ident>,
}

impl Args {
    pub(super) fn given(&self, name: &str) -> Option<&Ident> {
        self.given.iter().find(|given| *given == name)
    }
}

/// `undo = path(inputs)`
pub(super) struct Undo {
    pub(super) path: Path,
    pub(super) inputs: Vec<UndoInput>,
}

/// `output`, `output?` or the name of a parameter.
pub(super) struct UndoInput {
    pub(super) name: Ident,
    pub(super) maybe: bool,
}

/// `no_undo`, with the reason if one is given.
pub(super) struct NoUndo {
    pub(super) keyword: Ident,
    pub(super) reason: Option<String>,
}

/// `retry(..)` or `undo_retry(..)`
#[derive(Default)]
pub(super) struct Retry {
    pub(super) max: Option<u32>,
    pub(super) forever: bool,
    pub(super) base: Option<Duration>,
    pub(super) cap: Option<Duration>,
    pub(super) factor: Option<f64>,
    pub(super) jitter: Option<f64>,
    pub(super) when: Option<Path>,
}

pub(super) fn parse(tokens: TokenStream, errors: &mut Errors) -> Args {
    let mut args = Args::default();
    let parsed = (|input: ParseStream| {
        items(input, ARGUMENTS, errors, |name, input, errors| {
            if args.given.contains(name) {
                return Err(Error::new_spanned(name, format!("`{name}` is given twice")));
            }
            args.given.push(name.clone());
            argument(&mut args, name, input, errors).inspect_err(|_| args.incomplete = true)
        });
        Ok(())
    })
    .parse2(tokens);
    errors.ok(parsed);
    args
}

/// Reads `name ..` items that are separated by commas; goes on at the next comma after a mistake.
fn items(
    input: ParseStream,
    known: &[&str],
    errors: &mut Errors,
    mut item: impl FnMut(&Ident, ParseStream, &mut Errors) -> syn::Result<()>,
) {
    while !input.is_empty() {
        let parsed = input.call(Ident::parse_any).and_then(|name| {
            let text = name.to_string();
            if !known.contains(&text.as_str()) {
                let nearest = did_you_mean(&text, known.iter().copied());
                let known = list(known.iter().copied());
                let message = format!("unknown argument `{text}`{nearest} (arguments: {known})");
                return Err(Error::new_spanned(name, message));
            }
            item(&name, input, errors)?;
            if !input.is_empty() && !input.peek(Token![,]) {
                return Err(input.error("expected `,`"));
            }
            Ok(())
        });
        errors.ok(parsed);
        while !input.is_empty() && !input.peek(Token![,]) {
            if input.parse::<TokenTree>().is_err() {
                return;
            }
        }
        let _ = input.parse::<Option<Token![,]>>();
    }
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
            let reason = input.parse::<Option<Token![=]>>()?.map(|_| input.parse::<LitStr>());
            let reason = reason.transpose()?.map(|reason| reason.value());
            args.no_undo = Some(NoUndo { keyword: name.clone(), reason });
        }
        "retry" => args.retry = Some(retry(name, RETRY, input, errors)?),
        "undo_retry" => args.undo_retry = Some(retry(name, UNDO_RETRY, input, errors)?),
        "timeout" => args.timeout = Some(positive(value(name, input)?)?),
        "undo_timeout" => args.undo_timeout = Some(positive(value(name, input)?)?),
        "in_doubt" => args.in_doubt = Some(value(name, input)?.call(Path::parse_mod_style)?),
        "name" => args.name = Some(durable_name(value(name, input)?.parse()?)?),
        "rev" => args.rev = Some(number(value(name, input)?)?),
        "label" => args.label = Some(value(name, input)?.parse()?),
        _ => args.krate = Some(value(name, input)?.call(Path::parse_mod_style)?),
    }
    Ok(())
}

/// Steps over the `=`.
fn value<'a>(name: &Ident, input: ParseStream<'a>) -> syn::Result<ParseStream<'a>> {
    if input.parse::<Option<Token![=]>>()?.is_none() || input.is_empty() || input.peek(Token![,]) {
        return Err(Error::new_spanned(name, format!("`{name}` needs a value: `{name} = ..`")));
    }
    Ok(input)
}

fn undo(input: ParseStream) -> syn::Result<Undo> {
    let path = input.call(Path::parse_mod_style)?;
    if !input.peek(token::Paren) {
        let text = path.to_token_stream().to_string().replace(' ', "");
        return Err(Error::new_spanned(
            path,
            format!(
                "say what `{text}` is given: `undo = {text}(output)`, `undo = {text}(output?)`, or \
                 parameters of the action by name"
            ),
        ));
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
            let message = "an undo is given `output`, `output?` and parameters of the action by name";
            Err(Error::new(error.span(), message))
        }
    }
}

fn retry(
    keyword: &Ident,
    known: &[&str],
    input: ParseStream,
    errors: &mut Errors,
) -> syn::Result<Retry> {
    if !input.peek(token::Paren) {
        let message =
            format!("say how often: `{keyword}(max = 5, base = \"100ms\")` or `{keyword}(forever)`");
        return Err(Error::new_spanned(keyword, message));
    }
    let content;
    parenthesized!(content in input);
    let mut retry = Retry::default();
    let mut given = Vec::<Ident>::new();
    let mut complete = true;
    items(&content, known, errors, |name, input, _| {
        if given.contains(name) {
            return Err(Error::new_spanned(name, format!("`{name}` is given twice")));
        }
        given.push(name.clone());
        setting(&mut retry, name, input).inspect_err(|_| complete = false)
    });
    if retry.forever {
        for name in given.iter().filter(|name| *name == "max" || *name == "when") {
            let message = format!("`forever` and `{name}` contradict each other: leave one out");
            errors.at(name, message);
        }
    } else if complete && retry.max.is_none() && keyword == "retry" {
        errors.at(keyword, "say how often to try: `max = N` (the first attempt counts) or `forever`");
    }
    if let (Some(base), Some(cap)) = (retry.base, retry.cap)
        && cap < base
        && let Some(name) = given.iter().find(|name| *name == "cap")
    {
        errors.at(name, "`cap` is the longest wait: it cannot be shorter than `base`, the first one");
    }
    Ok(retry)
}

fn setting(retry: &mut Retry, name: &Ident, input: ParseStream) -> syn::Result<()> {
    match name.to_string().as_str() {
        "max" => {
            let literal = value(name, input)?.fork().parse::<TokenTree>()?;
            match number(input)? {
                0 => {
                    let message = "`max` counts the first attempt: it is at least 1";
                    return Err(Error::new_spanned(literal, message));
                }
                max => retry.max = Some(max),
            }
        }
        "base" => retry.base = Some(duration(value(name, input)?)?),
        "cap" => retry.cap = Some(duration(value(name, input)?)?),
        "factor" => retry.factor = Some(share(value(name, input)?, 1.0..=1e6, "1 or more")?),
        "jitter" => retry.jitter = Some(share(value(name, input)?, 0.0..=1.0, "from 0 to 1")?),
        "when" => retry.when = Some(value(name, input)?.call(Path::parse_mod_style)?),
        _ => retry.forever = true,
    }
    Ok(())
}

fn number(input: ParseStream) -> syn::Result<u32> {
    let literal = input.fork().parse::<TokenTree>()?;
    let number = input.parse::<LitInt>().and_then(|number| number.base10_parse());
    number.map_err(|_| Error::new_spanned(literal, "expected a number from 0 to 4294967295"))
}

fn share(
    input: ParseStream,
    range: std::ops::RangeInclusive<f64>,
    meaning: &str,
) -> syn::Result<f64> {
    let tokens = input.fork().parse::<TokenTree>()?;
    let number = match input.parse::<Lit>() {
        Ok(Lit::Float(number)) => number.base10_parse().ok(),
        Ok(Lit::Int(number)) => number.base10_parse().ok(),
        _ => None,
    };
    number
        .filter(|number| range.contains(number))
        .ok_or_else(|| Error::new_spanned(tokens, format!("expected a number, {meaning}")))
}

fn positive(input: ParseStream) -> syn::Result<Duration> {
    let literal = input.fork().parse::<TokenTree>()?;
    match duration(input)? {
        Duration::ZERO => Err(Error::new_spanned(literal, "nothing is done in no time at all")),
        timeout => Ok(timeout),
    }
}

/// `"100ms"`, `"30s"`, `"5m"`, `"2h"`
fn duration(input: ParseStream) -> syn::Result<Duration> {
    let tokens = input.fork().parse::<TokenTree>()?;
    let text = input.parse::<Lit>();
    let parsed = match &text {
        Ok(Lit::Str(text)) => parse_duration(&text.value()),
        _ => None,
    };
    parsed.ok_or_else(|| {
        let message = format!(
            "{tokens} is not a duration: expected a number and a unit in quotes, such as \"100ms\", \
             \"30s\", \"5m\" or \"2h\""
        );
        Error::new_spanned(tokens, message)
    })
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(millis).map(Duration::from_millis)
}

fn durable_name(name: LitStr) -> syn::Result<LitStr> {
    let text = name.value();
    let bad = |c: char| matches!(c, '/' | '[' | ']' | '#') || c.is_control();
    if text.is_empty() || text.len() > 200 || text.contains(bad) {
        let message = "a durable name has 1 to 200 bytes, none of them / [ ] # or a control character";
        return Err(Error::new_spanned(name, message));
    }
    Ok(name)
}
