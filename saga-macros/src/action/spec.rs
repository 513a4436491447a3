//! Writes what the action declares about itself.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;
use syn::Path;

use super::arguments::{Argument, Arguments};
use super::check::Action;
use super::transaction::Transaction;
use crate::arguments::{Retry, Word};
use crate::errors::as_text;

pub(crate) fn spec(action: &Action) -> TokenStream {
    let (krate, name) = (&action.krate, &action.durable_name);
    let (kind, undo) = (undo_kind(action), undo_text(action));
    let plain = quote! {
        #krate::typed::ActionSpec::new(#name, #krate::action::UndoContract::#kind, #undo)
    };
    let args = &action.args;
    let transaction = action.transaction.as_ref();
    let arguments = Argument::ALL.iter();
    let said = arguments.filter_map(|argument| said(*argument, args, transaction, krate));
    let said = said.collect::<TokenStream>();
    let spec = match said.is_empty() {
        true => plain,
        false => quote!({ let mut __spec = #plain; #said __spec }),
    };
    quote! {
        fn kind() -> #krate::typed::StepKind {
            #krate::typed::StepKind::Action(#spec)
        }
    }
}

/// What the specification says about one argument, if that is not written elsewhere.
fn said(
    argument: Argument,
    args: &Arguments,
    transaction: Option<&Transaction>,
    krate: &Path,
) -> Option<TokenStream> {
    match argument {
        Argument::UndoOnFailure => {
            args.given(argument).map(|_| quote!(__spec.policy.undo_on_failure = true;))
        }
        Argument::Probe => args.probe.as_ref().map(|_| quote!(__spec.policy.probe = true;)),
        Argument::Transaction => transaction.map(|transaction| {
            let database = transaction.database();
            quote! {
                __spec.policy.transaction =
                    ::core::option::Option::Some(#krate::store::DatabaseKind::#database);
            }
        }),
        Argument::Rev => args.rev.map(|rev| quote!(__spec.rev = #rev;)),
        Argument::Label => args
            .label
            .as_ref()
            .map(|label| quote!(__spec.label = ::core::option::Option::Some(#label);)),
        Argument::Retry => args.retry.as_ref().map(|retry| {
            let policy = retry_tokens(krate, retry, 1);
            let fresh_key =
                retry.fresh_key.as_ref().map(|_| quote!(__spec.policy.fresh_key = true;));
            quote!(__spec.policy.retry = #policy; #fresh_key)
        }),
        Argument::UndoRetry => args.undo_retry.as_ref().map(|retry| {
            let retry = retry_tokens(krate, retry, 10);
            quote!(__spec.policy.undo_retry = #retry;)
        }),
        Argument::Timeout => args.timeout.map(|timeout| {
            let timeout = duration_tokens(timeout);
            quote!(__spec.timeout = ::core::option::Option::Some(#timeout);)
        }),
        Argument::UndoTimeout => args.undo_timeout.map(|timeout| {
            let timeout = duration_tokens(timeout);
            quote!(__spec.undo_timeout = ::core::option::Option::Some(#timeout);)
        }),
        // These are arguments of `ActionSpec::new`.
        Argument::Undo | Argument::NoUndo | Argument::Name => None,
        // It is called where an attempt has failed; see `expand`.
        Argument::InDoubt => None,
        // It is the start of every path that is written.
        Argument::Crate => None,
    }
}

fn undo_kind(action: &Action) -> TokenStream {
    let Some(undo) = &action.args.undo else { return quote!(None) };
    match undo.inputs.iter().find(|input| input.name == "output") {
        Some(input) if input.maybe => quote!(MaybeOutput),
        Some(_) => quote!(Output),
        None => quote!(InputsOnly),
    }
}

/// The undo as declared, for humans.
fn undo_text(action: &Action) -> String {
    let reason = action.args.no_undo.as_ref().and_then(|no_undo| no_undo.reason.as_ref());
    match (&action.args.undo, reason) {
        (Some(undo), _) => {
            let inputs = undo.inputs.iter().map(|input| {
                let maybe = if input.maybe { "?" } else { "" };
                format!("{}{maybe}", input.name)
            });
            let path = as_text(&undo.path);
            format!("{path}({})", inputs.collect::<Vec<_>>().join(", "))
        }
        (None, Some(reason)) => format!("no_undo = {reason:?}"),
        (None, None) => "no_undo".to_string(),
    }
}

/// The retry policy, as an expression.
pub(crate) fn retry_tokens(krate: &Path, retry: &Retry, default: u32) -> TokenStream {
    let max = retry.max.unwrap_or(default);
    let mut tokens = if retry.forever {
        quote!(#krate::Retry::forever())
    } else {
        quote!(#krate::Retry::up_to(#max))
    };
    if let Some(base) = retry.base.map(duration_tokens) {
        tokens.extend(quote!(.base(#base)));
    }
    if let Some(cap) = retry.cap.map(duration_tokens) {
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

pub(crate) fn duration_tokens(duration: Duration) -> TokenStream {
    // It was parsed from a `u64` of milliseconds.
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    quote!(::core::time::Duration::from_millis(#millis))
}
