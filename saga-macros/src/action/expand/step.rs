//! Writes the implementation of `Step`: how an action is run and undone, and what it declares.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse_quote;
use syn::spanned::Spanned;

use super::attempt::attempt;
use super::probe::call_probe;
use super::undo::call_undo;
use super::{Lifetimes, angled, implement, local};
use crate::action::check::Action;
use crate::action::context::Context;
use crate::action::spec::spec;
use crate::fresh_names::Taken;

pub(crate) fn step(action: &Action) -> TokenStream {
    let (krate, name) = (&action.krate, &action.function.sig.ident);
    let mut generics = action.generics.clone();
    let Lifetimes { mut declared, used } = Lifetimes::of(action);
    let statics = used.iter().map(|_| quote!('static)).collect::<Vec<_>>();
    let (used, statics) = (angled(&used), angled(&statics));
    let mut check = TokenStream::new();
    let any = taken(action).free("C");
    let any_context = quote!(#any: ::core::marker::Send + ::core::marker::Sync + 'static);
    let context = match &action.context {
        Some(Context::Plain(user)) => user.to_token_stream(),
        Some(Context::Alias(alias)) => {
            check = quote_spanned! {alias.span()=>
                const _: fn() = #krate::bounds::assert_context::<#alias>;
            };
            let of = quote!(#krate::bounds::ContextOf<#any>);
            generics.make_where_clause().predicates.push(parse_quote!(#alias: #of));
            declared.push(any_context);
            any.to_token_stream()
        }
        None => {
            declared.push(any_context);
            any.to_token_stream()
        }
    };
    let declared = angled(&declared);
    let (cx, op) = (local("__cx", Span::call_site()), local("__op", Span::call_site()));
    let body = body(action, &cx, &op);
    let spec = spec(action);
    // This is where rustc reports a future that is not `Send`.
    let go = quote_spanned! {Span::call_site().located_at(name.span())=>
        fn go(self, #cx: &#krate::ActionContext<#context>, #op: &#krate::typed::StepCall)
            -> impl ::core::future::Future<Output = #krate::typed::StepResult> + ::core::marker::Send
        {
            #body
        }
    };
    let clause = &generics.where_clause;
    let forever = forever(action);
    let inputs = action.inputs.iter().map(|input| &input.name);
    let undo_inputs = undo_inputs(action);
    let items = quote! {
        type Static = #name #statics;
        #go
        #spec
        // for tests of the user's, in which the library has the feature `testing`
        #krate::__inputs! { self #(#inputs)* }
        #undo_inputs
    };
    let implementation = quote!(#declared #krate::typed::Step<#context>);
    let implementation = implement(name, implementation, quote!(#used #clause), items);
    quote!(#check #forever #implementation)
}

/// What the undo reads of the inputs, for a migration that must not change it.
fn undo_inputs(action: &Action) -> Option<TokenStream> {
    let undo = action.args.undo.as_ref().filter(|_| action.undoable)?;
    let reads = |name: &Ident| undo.inputs.iter().any(|given| given.name == *name);
    // from the declaration, so that rustc does not report a mistake in the undo's arguments here
    let inputs = action.inputs.iter().map(|input| &input.name).filter(|name| reads(name));
    let inputs = inputs.collect::<Vec<_>>();
    let krate = &action.krate;
    (!inputs.is_empty()).then(|| quote!(#krate::__undo_inputs! { self #(#inputs)* }))
}

/// Implements the marker of an action that may run after a point of no return.
fn forever(action: &Action) -> Option<TokenStream> {
    action.args.retry.as_ref().filter(|retry| retry.forever)?;
    let (krate, name) = (&action.krate, &action.function.sig.ident);
    let Lifetimes { declared, used } = Lifetimes::of(action);
    let (declared, used) = (angled(&declared), angled(&used));
    let clause = &action.generics.where_clause;
    let implementation = quote!(#declared #krate::typed::NeverGivesUp);
    Some(implement(name, implementation, quote!(#used #clause), TokenStream::new()))
}

/// The user's names in the code that we write.
fn taken(action: &Action) -> Taken {
    let args = &action.args;
    let when = args.retry.as_ref().and_then(|retry| retry.when.as_ref());
    let undo = args.undo.as_ref().map(|undo| &undo.path);
    let taken = Taken::default().by(&action.function.sig).by(&action.krate);
    taken.by(when).by(undo).by(&args.in_doubt).by(&args.probe)
}

fn body(action: &Action, cx: &Ident, op: &Ident) -> TokenStream {
    let krate = &action.krate;
    let act = attempt(action, cx);
    let undo = match action.args.undo.as_ref().filter(|_| action.undoable) {
        Some(undo) => call_undo(action, undo),
        None => quote!({ let _ = __output; #krate::typed::Attempt::undone() }),
    };
    let acts = quote! {
        match #op {
            #krate::typed::StepCall::Do => #act,
            #krate::typed::StepCall::Undo(__output) => #undo,
            #krate::typed::StepCall::Probe => #krate::typed::Attempt::unasked(),
        }
    };
    let Some(probe) = action.args.probe.as_ref().filter(|_| action.probed) else { return acts };
    let ask = call_probe(action, probe);
    quote! {
        match #op {
            #krate::typed::StepCall::Probe => #krate::__private::AsksOrActs::Asks { probe: #ask },
            _ => #krate::__private::AsksOrActs::Acts { call: #acts },
        }
    }
}
