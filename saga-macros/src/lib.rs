//! The macros of `saga-core`, which re-exports and documents them: use them from there.
//!
//! Both work in phases, one module each: *parse* reads tokens into a syntax tree and recovers from half-typed
//! input, *check* (of `#[saga_action]`) and *resolve* (of `saga!`) find what rustc cannot find, and *expand*
//! writes code. Errors are collected in all phases and reported together. What rustc reports better (types,
//! misspelled names, missing inputs) is left to rustc, on the user's own tokens.

mod action;
mod arguments;
mod cfg_combinations;
mod errors;
mod event;
mod fresh_names;
mod names;
mod saga;

// Macros cannot be called as functions from outside of their crate, so these tests are modules of it.
#[cfg(test)]
#[path = "../tests/expansion.rs"]
mod expansion;
#[cfg(test)]
#[path = "../tests/order.rs"]
mod order;

use proc_macro::TokenStream;

/// Use this macro as `saga_core::saga_action`, where it is documented with examples that run.
#[proc_macro_attribute]
pub fn saga_action(args: TokenStream, item: TokenStream) -> TokenStream {
    action::expand(args.into(), item.into()).into()
}

/// Use this macro as `saga_core::saga_event`, where it is documented with examples that run.
#[proc_macro_attribute]
pub fn saga_event(args: TokenStream, item: TokenStream) -> TokenStream {
    event::expand(args.into(), item.into()).into()
}

/// Use this macro as `saga_core::saga`, where the language is documented with examples that run.
#[proc_macro]
pub fn saga(input: TokenStream) -> TokenStream {
    saga::expand(input.into()).into()
}
