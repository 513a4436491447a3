//! The macros of `saga-core`, which re-exports and documents them: use them from there.
//!
//! Both work in phases, one module each: *parse* reads tokens into a syntax tree and recovers from
//! half-typed input, *check* (of `#[saga_action]`) and *resolve* (of `saga!`) find what rustc cannot
//! find, *expand* writes code. Errors are collected through all phases and reported together; what
//! rustc reports better (types, misspelled names, missing inputs) is left to it, on the user's tokens.

mod action;
mod arguments;
mod cfg_combinations;
mod errors;
mod fresh_names;
mod names;
mod saga;

// macros cannot be called as functions from outside, so this is a module and not a test of its own
#[cfg(test)]
#[path = "../tests/expansion.rs"]
mod expansion;
#[cfg(test)]
#[path = "../tests/order.rs"]
mod order;

use proc_macro::TokenStream;

/// This macro stands in the crate `saga-macros`. Use it as `saga_core::saga_action`, where all of it is
/// documented, with examples that run.
#[proc_macro_attribute]
pub fn saga_action(args: TokenStream, item: TokenStream) -> TokenStream {
    action::expand(args.into(), item.into()).into()
}

/// This macro stands in the crate `saga-macros`. Use it as `saga_core::saga`, where all of the language is
/// documented, with examples that run.
#[proc_macro]
pub fn saga(input: TokenStream) -> TokenStream {
    saga::expand(input.into()).into()
}
