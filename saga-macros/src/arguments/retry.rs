//! `retry(..)` and `undo_retry(..)`.

use std::time::Duration;

use proc_macro2::{Ident, TokenTree};
use syn::parse::ParseStream;
use syn::{Error, Path, parenthesized, token};

use super::values::{duration, items, number, path, share, value};
use crate::errors::Errors;

const RETRY: &[&str] = &["max", "base", "cap", "factor", "jitter", "when", "forever"];
const UNDO_RETRY: &[&str] = &["max", "base", "cap", "factor", "jitter", "forever"];

/// `retry(..)` or `undo_retry(..)`
#[derive(Default)]
pub(crate) struct Retry {
    pub(crate) max: Option<u32>,
    pub(crate) forever: bool,
    pub(crate) base: Option<Duration>,
    pub(crate) cap: Option<Duration>,
    pub(crate) factor: Option<f64>,
    pub(crate) jitter: Option<f64>,
    pub(crate) when: Option<Path>,
}

pub(crate) fn retry(
    keyword: &Ident,
    input: ParseStream,
    errors: &mut Errors,
) -> syn::Result<Retry> {
    if !input.peek(token::Paren) {
        let message = format!(
            "say how often: `{keyword}(max = 5, base = \"100ms\")` or `{keyword}(forever)`"
        );
        return Err(Error::new_spanned(keyword, message));
    }
    let content;
    parenthesized!(content in input);
    let known = if keyword == "retry" { RETRY } else { UNDO_RETRY };
    settings(keyword, &content, known, errors)
}

/// What stands between the parentheses.
pub(crate) fn settings(
    keyword: &Ident,
    input: ParseStream,
    known: &[&str],
    errors: &mut Errors,
) -> syn::Result<Retry> {
    let mut retry = Retry::default();
    let mut given = Vec::<Ident>::new();
    let complete = items(input, known, errors, |name, input, _| {
        if given.contains(name) {
            return Err(Error::new_spanned(name, format!("`{name}` is given twice")));
        }
        given.push(name.clone());
        setting(&mut retry, name, input)
    });
    if retry.forever {
        for name in given.iter().filter(|name| *name == "max" || *name == "when") {
            let message = format!("`forever` and `{name}` contradict each other: leave one out");
            errors.at(name, message);
        }
    } else if complete && retry.max.is_none() && keyword == "retry" {
        errors
            .at(keyword, "say how often to try: `max = N` (the first attempt counts) or `forever`");
    }
    if let (Some(base), Some(cap)) = (retry.base, retry.cap)
        && cap < base
        && let Some(name) = given.iter().find(|name| *name == "cap")
    {
        errors
            .at(name, "`cap` is the longest wait: it cannot be shorter than `base`, the first one");
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
        "when" => retry.when = Some(path(name, input)?),
        _ => retry.forever = true,
    }
    Ok(())
}
