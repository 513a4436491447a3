//! `saga!`.

mod ast;
mod attributes;
mod closures;
mod constructs;
mod expand;
mod head;
mod keys;
mod order;
mod parse;
mod parts;
mod pivots;
mod recover;
mod resolve;
mod scopes;
mod step;
mod stored;
mod structure;
mod tails;
mod wiring;

use proc_macro2::TokenStream;
use syn::parse::{ParseStream, Parser};

use crate::errors::Errors;

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let mut output = TokenStream::new();
    let parsed = (|input: ParseStream| {
        while !input.is_empty() {
            let mut errors = Errors::default();
            let saga = parse::saga(input, &mut errors);
            let wired = saga.as_ref().map(|saga| resolve::resolve(saga, &mut errors));
            let has_errors = errors.count() > 0;
            // first: rustc reports in the order of the output
            output.extend(errors.emit());
            if let (Some(saga), Some(wired)) = (&saga, &wired) {
                output.extend(expand::expand(saga, wired, has_errors));
            }
        }
        Ok(())
    })
    .parse2(input);
    if let Err(error) = parsed {
        let mut errors = Errors::default();
        errors.push(error);
        output.extend(errors.emit());
    }
    output
}
