//! `#[saga_action]`.

mod args;
mod check;
mod context;
mod expand;
mod lifetimes;
mod parse;
mod retry;
mod returned;
mod spec;
mod values;

use proc_macro2::TokenStream;
use quote::quote;

use crate::errors::Errors;

pub(crate) use args::durable_name;
pub(crate) use retry::{Retry, settings as retry_settings};
pub(crate) use spec::{duration, retry as retry_tokens};
pub(crate) use values::{number, positive};

pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let function = match parse::function(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            errors.push(error);
            let errors = errors.emit();
            return quote!(#item #errors);
        }
    };
    if let Some(error) = check::receiver(&function) {
        let error = error.into_compile_error();
        return quote!(#item #error);
    }
    let args = args::parse(args, &mut errors);
    let action = check::check(function, args, &mut errors);
    expand::expand(&action, errors)
}
