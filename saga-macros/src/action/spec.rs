//! Writes what the action declares about itself.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use super::check::Action;
use super::retry::Retry;

pub(super) fn spec(action: &Action, context: &TokenStream) -> TokenStream {
    let (krate, name) = (&action.krate, &action.durable_name);
    let args = &action.args;
    let rev = args.rev.unwrap_or(0);
    let label = option(args.label.as_ref().map(ToTokens::to_token_stream));
    let retry = args
        .retry
        .as_ref()
        .map_or_else(|| quote!(#krate::Retry::never()), |retry| self::retry(krate, retry, 1));
    let undo_retry = args
        .undo_retry
        .as_ref()
        .map_or_else(|| quote!(#krate::Retry::up_to(10)), |retry| self::retry(krate, retry, 10));
    let timeout = option(args.timeout.map(duration));
    let undo_timeout = option(args.undo_timeout.map(duration));
    let kind = undo_kind(action);
    let undo = undo_text(action);
    quote! {
        fn kind() -> #krate::StepKind<#context> {
            #krate::StepKind::Action(#krate::ActionSpec {
                name: #name,
                rev: #rev,
                label: #label,
                policy: #krate::Policy {
                    undo: #krate::UndoKind::#kind,
                    retry: #retry,
                    undo_retry: #undo_retry,
                },
                timeout: #timeout,
                undo_timeout: #undo_timeout,
                undo: #undo,
                place: ::core::concat!(::core::file!(), ":", ::core::line!()),
            })
        }
    }
}

fn undo_kind(action: &Action) -> TokenStream {
    let Some(undo) = &action.args.undo else { return quote!(Nothing) };
    match undo.inputs.iter().find(|input| input.name == "output") {
        Some(input) if input.maybe => quote!(MaybeOutput),
        Some(_) => quote!(Output),
        None => quote!(NoOutput),
    }
}

/// The undo as declared, for people.
fn undo_text(action: &Action) -> String {
    let reason = action.args.no_undo.as_ref().and_then(|no_undo| no_undo.reason.as_ref());
    match (&action.args.undo, reason) {
        (Some(undo), _) => {
            let inputs = undo.inputs.iter().map(|input| {
                let maybe = if input.maybe { "?" } else { "" };
                format!("{}{maybe}", input.name)
            });
            let path = undo.path.to_token_stream().to_string().replace(' ', "");
            format!("{path}({})", inputs.collect::<Vec<_>>().join(", "))
        }
        (None, Some(reason)) => format!("no_undo = {reason:?}"),
        (None, None) => "no_undo".to_string(),
    }
}

/// The policy as the runtime takes it.
pub(crate) fn retry(krate: &syn::Path, retry: &Retry, default: u32) -> TokenStream {
    let max = retry.max.unwrap_or(default);
    let mut tokens = if retry.forever {
        quote!(#krate::Retry::forever())
    } else {
        quote!(#krate::Retry::up_to(#max))
    };
    if let Some(base) = retry.base.map(duration) {
        tokens.extend(quote!(.base(#base)));
    }
    if let Some(cap) = retry.cap.map(duration) {
        tokens.extend(quote!(.cap(#cap)));
    }
    if let Some(factor) = retry.factor {
        tokens.extend(quote!(.factor(#factor)));
    }
    if let Some(jitter) = retry.jitter {
        tokens.extend(quote!(.jitter(#jitter)));
    }
    tokens
}

pub(crate) fn duration(duration: Duration) -> TokenStream {
    // parsed from a `u64` of milliseconds
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    quote!(::core::time::Duration::from_millis(#millis))
}

fn option(value: Option<TokenStream>) -> TokenStream {
    value.map_or_else(
        || quote!(::core::option::Option::None),
        |value| quote!(::core::option::Option::Some(#value)),
    )
}
