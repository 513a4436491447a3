//! `retry(..)` and `undo_retry(..)`, of an action or a node.

use std::time::Duration;

use proc_macro2::{Ident, TokenTree};
use syn::parse::ParseStream;
use syn::{Error, Path, parenthesized, token};

use super::values::{duration, function, number, share, value};
use super::words::{Word, arguments, words};
use crate::errors::Errors;

words! {
    /// What a retry policy says.
    enum Setting {
        Max = "max",
        Base = "base",
        Cap = "cap",
        Factor = "factor",
        Jitter = "jitter",
        When = "when",
        Forever = "forever",
        FreshKey = "fresh_key",
    }
}

/// Whose retries a policy is about.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum RetryOf {
    Action,
    Undo,
    /// Those of a node's action, declared by the node.
    Node,
}

impl RetryOf {
    fn takes(self, setting: Setting) -> bool {
        match setting {
            // One is a function of the action's error, the other one is about the action's receiver.
            Setting::When | Setting::FreshKey => self == Self::Action,
            Setting::Max
            | Setting::Base
            | Setting::Cap
            | Setting::Factor
            | Setting::Jitter
            | Setting::Forever => true,
        }
    }

    /// True if the policy must say how often to try; an undo has a default.
    fn needs_limit(self) -> bool {
        match self {
            Self::Action | Self::Node => true,
            Self::Undo => false,
        }
    }
}

/// A retry policy as written.
#[derive(Default)]
pub(crate) struct Retry {
    pub(crate) max: Option<u32>,
    pub(crate) forever: bool,
    pub(crate) base: Option<Duration>,
    pub(crate) cap: Option<Duration>,
    pub(crate) factor: Option<f64>,
    pub(crate) jitter: Option<f64>,
    pub(crate) when: Option<Path>,
    /// The word, if it stands there.
    pub(crate) fresh_key: Option<Ident>,
}

/// `retry(..)` or `undo_retry(..)`, of which the keyword has been read.
pub(crate) fn retry(
    keyword: &Ident,
    of: RetryOf,
    input: ParseStream,
    errors: &mut Errors,
) -> syn::Result<Retry> {
    if !input.peek(token::Paren) {
        let message = format!(
            "say how often to retry: `{keyword}(max = 5, base = \"100ms\")` or `{keyword}(forever)`"
        );
        return Err(Error::new_spanned(keyword, message));
    }
    let content;
    parenthesized!(content in input);
    retry_settings(keyword, of, &content, errors)
}

/// What stands between the parentheses.
pub(crate) fn retry_settings(
    keyword: &Ident,
    of: RetryOf,
    input: ParseStream,
    errors: &mut Errors,
) -> syn::Result<Retry> {
    let known = Setting::ALL.iter().copied().filter(|setting| of.takes(*setting));
    let known = known.collect::<Vec<_>>();
    let mut retry = Retry::default();
    let mut given = Vec::<(Setting, Ident)>::new();
    let complete = arguments(input, &known, errors, |setting, name, input, _| {
        if given.iter().any(|(other, _)| *other == setting) {
            return Err(Error::new_spanned(name, format!("`{name}` is given twice")));
        }
        given.push((setting, name.clone()));
        read(setting, &mut retry, name, input)
    });
    if retry.forever {
        for (setting, name) in &given {
            if contradicts_forever(*setting) {
                let message =
                    format!("`forever` and `{name}` contradict each other: leave one out");
                errors.at(name, message);
            }
        }
    } else if complete && retry.max.is_none() && of.needs_limit() {
        errors
            .at(keyword, "say how often to try: `max = N` (the first attempt counts) or `forever`");
    }
    if let (Some(base), Some(cap)) = (retry.base, retry.cap)
        && cap < base
        && let Some((_, name)) = given.iter().find(|(setting, _)| *setting == Setting::Cap)
    {
        errors
            .at(name, "`cap` is the longest wait: it cannot be shorter than `base`, the first one");
    }
    Ok(retry)
}

fn contradicts_forever(setting: Setting) -> bool {
    match setting {
        Setting::Max | Setting::When => true,
        Setting::Base
        | Setting::Cap
        | Setting::Factor
        | Setting::Jitter
        | Setting::Forever
        | Setting::FreshKey => false,
    }
}

fn read(setting: Setting, retry: &mut Retry, name: &Ident, input: ParseStream) -> syn::Result<()> {
    match setting {
        Setting::Max => {
            let literal = value(name, input)?.fork().parse::<TokenTree>()?;
            match number(input)? {
                0 => {
                    let message = "`max` counts the first attempt: it is at least 1";
                    return Err(Error::new_spanned(literal, message));
                }
                max => retry.max = Some(max),
            }
        }
        Setting::Base => retry.base = Some(duration(value(name, input)?)?),
        Setting::Cap => retry.cap = Some(duration(value(name, input)?)?),
        Setting::Factor => {
            retry.factor = Some(share(value(name, input)?, 1.0..=1e6, "1 or more")?);
        }
        Setting::Jitter => {
            retry.jitter = Some(share(value(name, input)?, 0.0..=1.0, "from 0 to 1")?);
        }
        Setting::When => retry.when = Some(function(name, input)?),
        Setting::Forever => retry.forever = true,
        Setting::FreshKey => retry.fresh_key = Some(name.clone()),
    }
    Ok(())
}
