//! Sorts the attributes of a node: ours, those of rustc, and documentation.

use quote::ToTokens;
use syn::Attribute;

use super::node_options::{NodeAttribute, NodeOptions};
use crate::arguments::{Word, words};
use crate::errors::{Errors, did_you_mean, list};

words! {
    /// The attributes of rustc's that a node may have.
    pub(crate) enum RustcAttribute {
        Cfg = "cfg",
        Allow = "allow",
        Expect = "expect",
        Warn = "warn",
        Deny = "deny",
        Forbid = "forbid",
    }
}

/// What stands before a node.
#[derive(Default)]
pub(crate) struct Attributes {
    /// Those for rustc: `#[cfg]` and lints.
    pub(crate) rustc: Vec<Attribute>,
    pub(crate) docs: Vec<Attribute>,
    pub(crate) options: NodeOptions,
}

/// Whom an attribute is for.
enum Owner {
    Ours(NodeAttribute),
    Rustc,
    Docs,
    Unknown,
}

fn owner(name: &str) -> Owner {
    match (NodeAttribute::find(name), RustcAttribute::find(name)) {
        (Some(attribute), _) => Owner::Ours(attribute),
        (None, Some(_)) => Owner::Rustc,
        (None, None) if name == "doc" => Owner::Docs,
        (None, None) => Owner::Unknown,
    }
}

/// Reads and sorts the attributes of a node.
pub(crate) fn attributes(attrs: Vec<Attribute>, errors: &mut Errors) -> Attributes {
    let mut sorted = Attributes::default();
    let mut given = Vec::new();
    for attr in attrs {
        let name = attr.path().to_token_stream().to_string();
        match owner(&name) {
            Owner::Rustc => sorted.rustc.push(attr),
            Owner::Docs => sorted.docs.push(attr),
            Owner::Ours(attribute) => {
                if given.contains(&attribute) && !attribute.is_repeatable() {
                    errors.at(attr.path(), format!("`#[{name}]` is given twice"));
                } else {
                    given.push(attribute);
                    sorted.options.add(attribute, &attr, errors);
                }
            }
            Owner::Unknown => {
                let nearest = did_you_mean(&name, known());
                let known = list(known());
                errors.at(
                    attr.path(),
                    format!("unknown attribute `{name}`{nearest} (a node takes {known})"),
                );
            }
        }
    }
    sorted
}

/// The attributes that a node may have.
fn known() -> impl Iterator<Item = &'static str> {
    let ours = NodeAttribute::ALL.iter().map(|attribute| attribute.word());
    ours.chain(RustcAttribute::ALL.iter().map(|attribute| attribute.word()))
}

/// Reports attributes that the last line cannot have: it is always there, and unless it `is_node`, it has no options.
pub(crate) fn check_last(attrs: &[Attribute], is_node: bool, instead: &str, errors: &mut Errors) {
    for attr in attrs {
        let name = attr.path().to_token_stream().to_string();
        let refused = match owner(&name) {
            Owner::Rustc => true,
            Owner::Ours(_) => !is_node,
            Owner::Docs | Owner::Unknown => false,
        };
        if refused {
            errors.at(attr.path(), format!("the last line cannot have `#[{name}]`; {instead}"));
        }
    }
}

/// Reports attributes where none can stand.
pub(crate) fn no_attributes(attrs: &[Attribute], place: &str, errors: &mut Errors) {
    for attr in attrs {
        errors.at(attr, format!("{place} takes no attributes: put them on its nodes"));
    }
}
