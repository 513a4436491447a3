//! Names for generic parameters of ours. Types have no hygiene: a parameter that is named like a type of the
//! user's would hide that type.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenTree};
use quote::ToTokens;

/// The names that the user's tokens use.
#[derive(Default)]
pub(crate) struct Taken(BTreeSet<String>);

impl Taken {
    /// Adds all names in these tokens.
    pub(crate) fn by(mut self, tokens: impl ToTokens) -> Self {
        self.add(tokens);
        self
    }

    /// The same, in place.
    pub(crate) fn add(&mut self, tokens: impl ToTokens) {
        for token in tokens.into_token_stream() {
            match token {
                TokenTree::Ident(name) => {
                    self.0.insert(name.to_string());
                }
                TokenTree::Group(group) => self.add(group.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    /// A name that is not taken: this one, or this one with a number.
    pub(crate) fn free(&self, wish: &str) -> Ident {
        let mut name = wish.to_string();
        let mut number = 2;
        while self.0.contains(&name) {
            name = format!("{wish}{number}");
            number += 1;
        }
        Ident::new(&name, Span::call_site())
    }
}
