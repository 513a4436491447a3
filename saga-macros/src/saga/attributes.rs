//! The attributes of nodes.

use proc_macro2::Ident;
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{Attribute, Token};

use crate::errors::{Errors, did_you_mean, list};

const LATER: &[&str] = &["pivot", "label", "retry", "timeout", "concurrency"];

/// Splits the attributes of a node into those for rustc and the names of `#[after(..)]`.
pub(super) fn attributes(
    attrs: Vec<Attribute>,
    errors: &mut Errors,
) -> (Vec<Attribute>, Vec<Ident>) {
    const FOR_RUSTC: &[&str] = &["cfg", "allow", "expect", "warn", "deny", "forbid"];
    let (mut kept, mut after) = (Vec::new(), Vec::new());
    for attr in attrs {
        let name = attr.path().to_token_stream().to_string();
        if name == "after" {
            let parsed = attr.parse_args_with(Punctuated::<Ident, Token![,]>::parse_terminated);
            match parsed {
                Ok(names) => after.extend(names),
                Err(_) => errors.at(&attr, "expected names of nodes: `#[after(a, b)]`"),
            }
        } else if FOR_RUSTC.contains(&name.as_str()) {
            kept.push(attr);
        } else if LATER.contains(&name.as_str()) {
            errors.at(attr.path(), format!("`#[{name}]` is not supported yet"));
        } else if name != "doc" {
            let known = ["after", "cfg", "allow", "expect", "warn", "deny"];
            let nearest = did_you_mean(&name, known.into_iter().chain(LATER.iter().copied()));
            let known = list(known);
            errors.at(
                attr.path(),
                format!("unknown attribute `{name}`{nearest} (a node takes {known})"),
            );
        }
    }
    (kept, after)
}

/// Reports attributes where none can stand.
pub(super) fn no_attributes(attrs: &[Attribute], what: &str, errors: &mut Errors) {
    for attr in attrs {
        errors.at(attr, format!("{what} takes no attributes; put them on its nodes"));
    }
}
