//! `saga!`.

mod ast;
mod expand;
mod head;
mod parse;
mod resolve;
mod structure;

use proc_macro2::TokenStream;
use syn::parse::{ParseStream, Parser};

use crate::errors::Errors;

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let mut output = TokenStream::new();
    let parsed = (|input: ParseStream| {
        while !input.is_empty() {
            let mut errors = Errors::default();
            let saga = parse::saga(input, &mut errors);
            if let Some(saga) = &saga {
                let wired = resolve::resolve(saga, &mut errors);
                output.extend(expand::expand(saga, &wired, errors.count() > 0));
            }
            output.extend(errors.emit());
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
