//! Errors are collected and emitted together, beside code that stands in for what is wrong, so that
//! one mistake gives one error.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::Error;

/// What is wrong with the input of one macro call.
#[derive(Default)]
pub(crate) struct Errors(Vec<Error>);

impl Errors {
    /// Adds an error whose caret covers these tokens.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.push(Error::new_spanned(tokens, message));
    }

    /// Adds an error.
    pub(crate) fn push(&mut self, error: Error) {
        self.0.push(error);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The value, or a note of what is wrong instead.
    pub(crate) fn ok<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// Reports them in source order.
    ///
    /// In a block of a constant: `compile_error!` at item level makes rustc silent about every name of
    /// the module that it cannot resolve.
    pub(crate) fn emit(mut self) -> TokenStream {
        if self.0.is_empty() {
            return TokenStream::new();
        }
        self.0.sort_by_key(|error| position(error.span()));
        let errors = self.0.iter().map(Error::to_compile_error);
        quote!(const _: () = { #(#errors)* };)
    }
}

/// Line and column, where the compiler tells.
pub(crate) fn position(span: Span) -> Option<(usize, usize)> {
    proc_macro::is_available().then(|| {
        let span = span.unwrap();
        (span.line(), span.column())
    })
}

/// `; did you mean ..?`, if one of the names is similar.
pub(crate) fn did_you_mean<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let near = |name: &&str| {
        let longest = wrong.chars().count().max(name.chars().count());
        let distance = strsim::osa_distance(wrong, name);
        (distance <= (longest / 3).max(1)).then_some(distance)
    };
    let nearest = names.into_iter().filter_map(|name| near(&name).map(|d| (d, name))).min();
    nearest.map(|(_, name)| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// `` `a`, `b` ``
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
