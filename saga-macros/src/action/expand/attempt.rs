//! Writes a call of the user's function, and how its error is judged.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::local;
use super::transaction::call_action;
use crate::action::check::Action;
use crate::action::context::Context;

pub(crate) fn attempt(action: &Action, cx: &Ident) -> TokenStream {
    let (krate, name) = (&action.krate, &action.function.sig.ident);
    if !action.callable {
        return quote!({ let _ = #cx; #krate::typed::Attempt::<Self, _, _>::broken() });
    }
    if let Some(transaction) = &action.transaction {
        let (rules, call) = (error_rules(action), call_action(action, transaction));
        return quote! {{
            #[allow(deprecated)]
            let __call = #call;
            #krate::typed::Attempt::<Self, _, _>::action(__call, #rules)
        }};
    }
    let cx = given_context(action, cx.span());
    let inputs = action.inputs.iter().map(|input| &input.name);
    let call = quote_spanned! {Span::call_site().located_at(action.output.span)=>
        #name(#cx #(self.#inputs),*)
    };
    let rules = error_rules(action);
    quote! {{
        // A deprecated action is a warning for those who name it, and not here.
        #[allow(deprecated)]
        let __call = #call;
        #krate::typed::Attempt::<Self, _, _>::action(__call, #rules)
    }}
}

/// How its error is judged: in doubt or not, retryable or not.
fn error_rules(action: &Action) -> TokenStream {
    let krate = &action.krate;
    let at = Span::call_site().located_at(action.error.span);
    let payload = quote_spanned! {at=> {
        // The trait is only used if the error is not `Serialize`.
        #[allow(unused_imports)]
        use #krate::__private::NoErrorPayload as _;
        #krate::__private::ErrorPayload::<<Self as #krate::typed::Typed>::Error>::OF
    }};
    let in_doubt = action.args.in_doubt.as_ref();
    let when = action.args.retry.as_ref().and_then(|retry| retry.when.as_ref());
    let predicate = |path: &syn::Path| {
        let at = Span::call_site().located_at(path.span());
        let error = local("__error", path.span());
        quote_spanned!(at=> { let __says: ::core::primitive::bool = #path(#error); __says })
    };
    let judge = match (in_doubt, when) {
        (None, None) => quote!(#krate::__private::plain_error),
        _ => {
            let in_doubt = in_doubt.map_or_else(|| quote!(false), predicate);
            let retryable = when.map_or_else(|| quote!(true), predicate);
            let error = local("__error", action.error.span);
            quote!(|#error: &<Self as #krate::typed::Typed>::Error| (#in_doubt, #retryable))
        }
    };
    quote!(#krate::__private::ErrorRules { payload: #payload, judge: #judge })
}

/// The context as the first argument of the action and its undo, if they take it.
pub(crate) fn given_context(action: &Action, at: Span) -> Option<TokenStream> {
    let (krate, cx) = (&action.krate, local("__cx", at));
    Some(match action.context.as_ref()? {
        Context::Plain(_) => quote!(#cx,),
        Context::Alias(alias) => {
            quote_spanned!(cx.span()=> <#alias as #krate::bounds::ContextOf<_>>::of(#cx),)
        }
    })
}
