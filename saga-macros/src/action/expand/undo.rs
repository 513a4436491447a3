//! Writes a call of the user's undo.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;

use super::attempt::given_context;
use super::transaction::{self, Argument};
use crate::action::arguments::Undo;
use crate::action::check::Action;
use crate::action::context::Context;

/// An undo with at most this many parameters is checked before it is called; about others, rustc says what is
/// wrong.
pub(super) const MOST_CHECKED: usize = 8;

/// The types of the undo's arguments.
fn given_types(action: &Action, undo: &Undo) -> Vec<TokenStream> {
    let krate = &action.krate;
    let transaction =
        action.transaction.as_ref().map(|transaction| transaction.ty.to_token_stream());
    let context = action.context.as_ref().map(|context| match context {
        Context::Plain(user) => quote!(&#krate::ActionContext<#user>),
        Context::Alias(alias) => quote!(&#alias),
    });
    let output = quote!(<Self as #krate::typed::Typed>::Output);
    let inputs = undo.inputs.iter().map(|given| {
        if given.name == "output" {
            return match given.maybe {
                true => quote!(::core::option::Option<&#output>),
                false => quote!(&#output),
            };
        }
        let input = action.inputs.iter().find(|input| input.name == given.name);
        input.map_or_else(|| quote!(()), |input| input.ty.to_token_stream())
    });
    context.into_iter().chain(transaction).chain(inputs).collect()
}

pub(crate) fn call_undo(action: &Action, undo: &Undo) -> TokenStream {
    let krate = &action.krate;
    let path = &undo.path;
    let at = Span::call_site().located_at(path.span());
    let cx = given_context(action, at);
    let inputs = undo.inputs.iter().map(|input| {
        let name = &input.name;
        let here = Span::call_site().located_at(name.span());
        if name == "output" {
            return Ident::new("__given", here).into_token_stream();
        }
        let this = Ident::new("self", Span::call_site().located_at(name.span()));
        quote_spanned!(here=> #this.#name)
    });
    let types = given_types(action, undo);
    let callee = match &action.transaction {
        Some(transaction) if !transaction.is_async => quote_spanned!(at=> callee_of_transaction),
        Some(_) | None => quote_spanned!(at=> callee),
    };
    let checked = (types.len() <= MOST_CHECKED).then(|| {
        quote_spanned! {at=> {
            #[allow(unused_imports)]
            use #krate::__private::{Fits as _, Misfits as _};
            #krate::__private::undo::<(#(#types,)*), _>(#path).#callee()
        }}
    });
    let function = checked.unwrap_or_else(|| path.to_token_stream());
    let call = match &action.transaction {
        None => quote_spanned!(at=> __undo(#cx #(#inputs),*)),
        Some(transaction) => {
            let arguments = undo.inputs.iter().map(|given| Argument {
                at: Span::call_site().located_at(given.name.span()),
                input: action.inputs.iter().find(|input| input.name == given.name),
            });
            let arguments = arguments.collect::<Vec<_>>();
            transaction::call_undo(action, transaction, &Ident::new("__undo", at), &arguments)
        }
    };
    let call = quote_spanned! {at=> {
        let __undo = #function;
        #krate::bounds::UndoCall::attempt(#call)
    }};
    let given =
        quote!(#krate::__private::output::<<Self as #krate::typed::Typed>::Output>(__output));
    match undo.inputs.iter().find(|input| input.name == "output") {
        None => quote!({ let _ = __output; #call }),
        Some(input) if input.maybe => quote!({ let __given = #given; #call }),
        Some(_) => quote! {
            match #given {
                ::core::option::Option::Some(__given) => #call,
                ::core::option::Option::None => #krate::typed::Attempt::no_output(),
            }
        },
    }
}
