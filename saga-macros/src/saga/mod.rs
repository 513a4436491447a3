//! `saga!`.

mod ast;
mod attributes;
mod closures;
mod constant;
mod constructs;
mod dots;
mod expand;
mod head;
mod keys;
mod lasting;
mod numbers;
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
    let input = dots::finish(input.clone()).unwrap_or(input);
    let mut output = TokenStream::new();
    let parsed = (|input: ParseStream| {
        while !input.is_empty() {
            let mut errors = Errors::default();
            let saga = parse::saga(input, &mut errors);
            let wired = saga.as_ref().map(|saga| resolve::resolve(saga, &mut errors));
            output.extend(match (&saga, &wired) {
                (Some(saga), Some((wired, compared))) => {
                    expand::expand(saga, wired, compared.clone(), errors)
                }
                _ => errors.emit(),
            });
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
