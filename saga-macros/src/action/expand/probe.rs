//! Writes a call of the user's probe, which takes what the action takes.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Path;
use syn::spanned::Spanned;

use super::attempt::given_context;
use super::undo::MOST_CHECKED;
use crate::action::check::Action;
use crate::action::context::Context;

pub(crate) fn call_probe(action: &Action, path: &Path) -> TokenStream {
    let krate = &action.krate;
    let at = Span::call_site().located_at(path.span());
    let cx = given_context(action, at);
    let inputs = action.inputs.iter().map(|input| &input.name);
    let output = quote!(<Self as #krate::typed::Typed>::Output);
    let context = action.context.as_ref().map(|context| match context {
        Context::Plain(user) => quote!(&#krate::ActionContext<#user>),
        Context::Alias(alias) => quote!(&#alias),
    });
    let types = action.inputs.iter().map(|input| input.ty.to_token_stream());
    let types = context.into_iter().chain(types).collect::<Vec<_>>();
    let checked = (types.len() <= MOST_CHECKED).then(|| {
        quote_spanned! {at=> {
            #[allow(unused_imports)]
            use #krate::__private::{ProbeFits as _, ProbeMisfits as _};
            #krate::__private::probe::<(#(#types,)*), #output, _>(#path).callee()
        }}
    });
    let function = checked.unwrap_or_else(|| path.to_token_stream());
    quote_spanned! {at=> {
        let __probe = #function;
        #krate::bounds::ProbeCall::<#output>::ask(__probe(#cx #(self.#inputs),*))
    }}
}
