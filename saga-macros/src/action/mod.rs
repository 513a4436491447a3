//! `#[saga_action]`: reads the function and the arguments, checks what rustc cannot check (`check`), and
//! writes the code (`expand`).

mod arguments;
mod check;
mod context;
mod expand;
mod function;
mod lifetimes;
mod return_type;
mod spec;
mod transaction;

use self::function::Function;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, FnArg};

use crate::cfg_combinations::Conditions;
use crate::errors::Errors;

pub(crate) use self::arguments::durable_name;
pub(crate) use self::spec::{duration_tokens, retry_tokens};

pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let function = match function::function(item.clone()) {
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
    let mut conditions = Conditions::default();
    function.sig.inputs.iter().for_each(|param| conditions.add_all(attrs_of(param)));
    let combinations = match conditions.combinations() {
        Ok(combinations) => combinations,
        Err(error) => {
            let error = error.into_compile_error();
            return quote!(#item #error);
        }
    };
    if let [_] = combinations.as_slice() {
        return written(args, function);
    }
    let written = combinations.iter().map(|combination| {
        let mut function = function.clone();
        let params = std::mem::take(&mut function.sig.inputs);
        function.sig.inputs =
            params.into_iter().filter(|param| combination.keeps(attrs_of(param))).collect();
        function.attrs.insert(0, combination.gate());
        written(args.clone(), function)
    });
    written.collect()
}

fn written(args: TokenStream, function: Function) -> TokenStream {
    let mut errors = Errors::default();
    let args = arguments::parse(args, &mut errors);
    let action = check::check(function, args, &mut errors);
    expand::expand(&action, errors)
}

fn attrs_of(param: &FnArg) -> &[Attribute] {
    match param {
        FnArg::Receiver(receiver) => &receiver.attrs,
        FnArg::Typed(param) => &param.attrs,
    }
}
