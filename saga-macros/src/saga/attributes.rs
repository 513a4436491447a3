//! The attributes of nodes.

use std::time::Duration;

use proc_macro2::{Ident, Span};
use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Error, LitStr, Meta, Token};

use super::ast::Step;
use crate::arguments::{Retry, number, positive, retry_settings, text};
use crate::errors::{Errors, did_you_mean, list};

/// What stands before a node.
#[derive(Default)]
pub(crate) struct Attributes {
    /// Those for rustc.
    pub(crate) attrs: Vec<Attribute>,
    /// Those for people.
    pub(crate) docs: Vec<Attribute>,
    pub(crate) after: Vec<Ident>,
    pub(crate) settings: Settings,
}

/// What a node says beside what it runs, with the place where it does.
#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) pivot: Option<Span>,
    pub(crate) label: Option<LitStr>,
    pub(crate) retry: Option<(Span, Retry)>,
    pub(crate) timeout: Option<(Span, Duration)>,
    pub(crate) concurrency: Option<(Span, u32)>,
}

impl Settings {
    pub(crate) fn is_empty(&self) -> bool {
        self.pivot.is_none()
            && self.label.is_none()
            && self.retry.is_none()
            && self.timeout.is_none()
            && self.concurrency.is_none()
    }

    pub(crate) fn is_forever(&self) -> bool {
        self.retry.as_ref().is_some_and(|(_, retry)| retry.forever)
    }

    /// Reports what means nothing for this kind of node.
    pub(crate) fn check(&self, step: &Step, errors: &mut Errors) {
        let (call, each) = match step {
            Step::Call(_) | Step::Broken(_) => (true, false),
            Step::For(_) => (false, true),
            Step::Choose(_) | Step::Value(_) => (false, false),
        };
        let only = [
            ("pivot", self.pivot, "an action"),
            ("retry", self.retry.as_ref().map(|(at, _)| *at), "an action"),
            ("timeout", self.timeout.map(|(at, _)| at), "an action"),
            ("concurrency", self.concurrency.map(|(at, _)| at), "a `for`"),
        ];
        for (name, at, what) in only {
            let fits = if name == "concurrency" { each } else { call };
            if let (Some(at), false) = (at, fits || matches!(step, Step::Broken(_))) {
                let hint = match step {
                    Step::For(_) | Step::Choose(_) if name != "concurrency" && name != "pivot" => {
                        "; put it on the nodes inside"
                    }
                    _ => "",
                };
                errors.push(Error::new(at, format!("`#[{name}]` belongs to {what}{hint}")));
            }
        }
    }
}

const FOR_RUSTC: &[&str] = &["cfg", "allow", "expect", "warn", "deny", "forbid"];

const KNOWN: &[&str] = &[
    "after",
    "pivot",
    "label",
    "retry",
    "timeout",
    "concurrency",
    "cfg",
    "allow",
    "expect",
    "warn",
    "deny",
];

/// Sorts the attributes of a node.
pub(crate) fn attributes(attrs: Vec<Attribute>, errors: &mut Errors) -> Attributes {
    let mut sorted = Attributes::default();
    let mut given = Vec::<String>::new();
    for attr in attrs {
        let name = attr.path().to_token_stream().to_string();
        if FOR_RUSTC.contains(&name.as_str()) {
            sorted.attrs.push(attr);
        } else if KNOWN.contains(&name.as_str()) {
            if given.contains(&name) && name != "after" {
                errors.at(attr.path(), format!("`#[{name}]` is given twice"));
                continue;
            }
            let parsed = setting(&mut sorted, &name, &attr, errors);
            errors.ok(parsed);
            given.push(name);
        } else if name == "doc" {
            sorted.docs.push(attr);
        } else {
            let nearest = did_you_mean(&name, KNOWN.iter().copied());
            let known = list(KNOWN.iter().copied());
            errors.at(
                attr.path(),
                format!("unknown attribute `{name}`{nearest} (a node takes {known})"),
            );
        }
    }
    sorted
}

fn setting(
    sorted: &mut Attributes,
    name: &str,
    attr: &Attribute,
    errors: &mut Errors,
) -> syn::Result<()> {
    let at = attr.path().span();
    let settings = &mut sorted.settings;
    match name {
        "after" => {
            let names = attr.parse_args_with(Punctuated::<Ident, Token![,]>::parse_terminated);
            let message = "expected names of nodes: `#[after(a, b)]`";
            sorted.after.extend(names.map_err(|_| Error::new_spanned(attr, message))?);
        }
        "pivot" => {
            if !matches!(attr.meta, Meta::Path(_)) {
                return Err(Error::new_spanned(attr, "`#[pivot]` takes no arguments"));
            }
            settings.pivot = Some(at);
        }
        "label" => {
            settings.label = Some(value(attr, "label = \"..\"", |input| text("label", input))?);
        }
        "retry" => settings.retry = Some((at, retry(attr, errors)?)),
        "timeout" => settings.timeout = Some((at, value(attr, "timeout = \"30s\"", positive)?)),
        _ => {
            let form = "concurrency = 4";
            let instances = value(attr, form, number)?;
            if instances == 0 {
                return Err(Error::new_spanned(attr, "at least one instance must be able to run"));
            }
            settings.concurrency = Some((at, instances));
        }
    }
    Ok(())
}

/// `#[retry(..)]` of a node, or of a saga's head.
pub(crate) fn retry(attr: &Attribute, errors: &mut Errors) -> syn::Result<Retry> {
    let keyword = Ident::new("retry", attr.path().span());
    if !matches!(attr.meta, Meta::List(_)) {
        let message = "say how often: `#[retry(max = 5, base = \"100ms\")]` or `#[retry(forever)]`";
        return Err(Error::new_spanned(attr.path(), message));
    }
    const KNOWN: &[&str] = &["max", "base", "cap", "factor", "jitter", "forever"];
    attr.parse_args_with(|input: ParseStream| retry_settings(&keyword, input, KNOWN, errors))
}

/// What stands after the `=`.
pub(crate) fn value<T>(
    attr: &Attribute,
    form: &str,
    parse: impl FnOnce(ParseStream) -> syn::Result<T>,
) -> syn::Result<T> {
    let Meta::NameValue(meta) = &attr.meta else {
        return Err(Error::new_spanned(attr, format!("this is written `#[{form}]`")));
    };
    parse.parse2(meta.value.to_token_stream())
}

/// Reports attributes that the last line cannot have: it is there in any case, and it may be no node that
/// has settings.
pub(crate) fn check_last(attrs: &[Attribute], settings: bool, instead: &str, errors: &mut Errors) {
    for attr in attrs {
        let name = attr.path().to_token_stream().to_string();
        let known = FOR_RUSTC.contains(&name.as_str()) || KNOWN.contains(&name.as_str());
        if known && (!settings || FOR_RUSTC.contains(&name.as_str())) {
            errors.at(attr.path(), format!("the last line takes no `#[{name}]`; {instead}"));
        }
    }
}

/// Reports attributes where none can stand.
pub(crate) fn no_attributes(attrs: &[Attribute], what: &str, errors: &mut Errors) {
    for attr in attrs {
        errors.at(attr, format!("attributes do not stand on {what}: put them on its nodes"));
    }
}
