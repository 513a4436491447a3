//! Writes the closures of nodes, with the user's own literals and expressions in them.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::VisitMut;
use syn::{Expr, PathArguments, Type};

use super::borrows::lasts;
use super::reads::{ahead, bound, expr};
use super::spans::{block, here, local};
use crate::names::{CompareConstants, ReadNames};
use crate::saga::ast::{Call, Head};
use crate::saga::expressions::unwrapped;
use crate::saga::parse::waits::event;
use crate::saga::resolve::wiring::Wiring;

/// The user's literal, with names replaced by what reads them.
fn literal(call: &Call, wiring: &Wiring, cx: &Ident) -> TokenStream {
    let mut inputs = call.inputs.clone();
    let mut compare = CompareConstants { constants: &wiring.compared };
    let mut replace = ReadNames { names: &wiring.inside, cx };
    for input in &mut inputs {
        compare.visit_field_value_mut(input);
        replace.visit_field_value_mut(input);
    }
    let mut literal = call.path.to_token_stream();
    let rest = call.rest.as_ref().map(|rest| {
        let (dots, from) = &**rest;
        let from = expr(from, wiring, cx);
        let comma = (!inputs.empty_or_trailing()).then(|| quote!(,));
        quote!(#comma #dots #from)
    });
    call.brace.surround(&mut literal, |tokens| tokens.extend(quote!(#inputs #rest)));
    match event(&call.path) {
        None => literal,
        Some(event) => {
            let mut of = call.path.clone();
            of.segments.iter_mut().for_each(|segment| segment.arguments = PathArguments::None);
            // at one place, so that rustc reports a type that is no event once
            let literal = block(event.span(), literal);
            quote_spanned!(here(event.span())=> #of::for_event(#literal))
        }
    }
}

/// A closure that returns a future. All of it is at the place of the call; otherwise, carets would cover the
/// whole macro.
fn future(call: &Call, cx: &Ident, inner: TokenStream) -> TokenStream {
    let at = call.path.span();
    let block = block(at, inner);
    let scope = Ident::new("__cx", here(at));
    let boxed = Ident::new("boxed", Span::mixed_site());
    // A caret under the call starts at its first token.
    let (start, pin) = (quote_spanned!(here(at)=> ::), quote!(std::boxed::Box::pin));
    let block = quote_spanned!(here(at)=> #start #pin(async move #block));
    closure(call, cx, quote_spanned!(here(at)=> #scope.#boxed(#block)))
}

/// A closure that returns a call, and needs no `async` block.
fn closure(call: &Call, cx: &Ident, inner: TokenStream) -> TokenStream {
    // It is placed at the brace, where an editor looks for nothing.
    let cx = local(&cx.to_string(), call.brace.span.open());
    let block = block(call.path.span(), inner);
    quote_spanned!(here(call.path.span())=> move |#cx| #block)
}

/// The closure of a node whose type is what the action returns.
pub(crate) fn called(call: &Call, behind: bool, wiring: &Wiring, cx: &Ident) -> TokenStream {
    let at = call.path.span();
    let ahead = ahead(wiring, cx);
    let literal = literal(call, wiring, cx);
    // These are at no place of the user's: an editor offers the definition of everything at the place of the
    // action.
    let (done, wait) = (local("__done", Span::call_site()), quote!(.await));
    let called = match behind {
        false => quote_spanned!(here(at)=> (#cx).call(#literal)),
        true => quote_spanned!(here(at)=> (#cx).call_behind(#literal)),
    };
    if lasts(call, wiring) {
        return closure(call, cx, quote!(#ahead #called));
    }
    let done = quote_spanned!(here(at)=> let #done = #called #wait; #done);
    let done = bound(wiring, cx, done);
    future(call, cx, quote!(#ahead #done))
}

/// The closure of what an arm of a `select` waits for.
pub(crate) fn race(call: &Call, wiring: &Wiring, cx: &Ident) -> TokenStream {
    let at = call.path.span();
    let (ahead, literal) = (ahead(wiring, cx), literal(call, wiring, cx));
    let race = quote_spanned!(here(at)=> (#cx).race(#literal));
    if lasts(call, wiring) {
        return closure(call, cx, quote!(#ahead #race));
    }
    let (done, wait) = (local("__done", Span::call_site()), quote!(.await));
    let race = bound(wiring, cx, quote_spanned!(here(at)=> let #done = #race #wait; #done));
    future(call, cx, quote!(#ahead #race))
}

/// The closure of a node whose type the user wrote, which rustc compares.
pub(crate) fn run(
    call: &Call,
    ty: &Type,
    behind: bool,
    wiring: &Wiring,
    cx: &Ident,
) -> TokenStream {
    let at = call.path.span();
    let leaf = local("__leaf", at);
    let ahead = ahead(wiring, cx);
    let literal = literal(call, wiring, cx);
    let scope = Ident::new("__cx", here(at));
    let run = match behind {
        false => quote_spanned!(here(at)=> #leaf.run(#scope, #literal).await),
        true => quote_spanned!(here(at)=> #leaf.run_behind(#scope, #literal).await),
    };
    let run = quote_spanned! {here(at)=>
        let __value: #ty = #run;
        #scope.done(__value, #leaf)
    };
    let run = bound(wiring, cx, run);
    let inner = quote_spanned! {here(at)=>
        let #leaf = #scope.leaf();
        #ahead
        #run
    };
    future(call, cx, inner)
}

/// The closure of a computed node.
pub(crate) fn value(expr: &Expr, ty: Option<&Type>, wiring: &Wiring, cx: &Ident) -> TokenStream {
    let expr = unwrapped(expr);
    let at = here(expr.span());
    let ahead = ahead(wiring, cx);
    let expr = self::expr(expr, wiring, cx);
    let ty = ty.map(|ty| quote!(: #ty));
    // This name is at no place of the user's, because rustc may suggest to call it.
    let value = local("value", Span::call_site());
    let returned = returned(value.to_token_stream(), at);
    let value = quote_spanned!(at=> let #value #ty = #expr; #returned);
    let value = bound(wiring, cx, value);
    quote_spanned! {at=>
        move |#cx| {
            #ahead
            #value
        }
    }
}

/// A value that is returned at this place, where rustc reports that it borrows. Only its first and last
/// tokens are there: an editor would offer the definition of a name.
fn returned(value: TokenStream, at: Span) -> TokenStream {
    let (start, identity) = (quote_spanned!(at=> ::), quote!(core::convert::identity));
    let mut value = Group::new(Delimiter::Parenthesis, value);
    value.set_span(at);
    quote!(#start #identity #value)
}

/// The closure of a constant, with its expression or with the `const` of Rust that patterns compare with.
pub(crate) fn constant(expr: &Expr, ty: Option<&Type>, real: Option<TokenStream>) -> TokenStream {
    let expr = unwrapped(expr);
    let at = here(expr.span());
    let ty = ty.map(|ty| quote!(: #ty));
    let value = local("__value", Span::call_site());
    let of = real.unwrap_or_else(|| expr.to_token_stream());
    quote_spanned!(at=> || { let #value #ty = #of; #value })
}

/// The closure of a literal on the last line, which is an action, a saga or a plain struct, as its type
/// tells; with the type of the output, if that is known.
pub(crate) fn last(
    head: &Head,
    call: &Call,
    output: Option<&Type>,
    behind: bool,
    wiring: &Wiring,
    cx: &Ident,
) -> TokenStream {
    let (krate, name) = (&head.krate, &head.name);
    let at = call.path.span();
    let ahead = ahead(wiring, cx);
    let literal = literal(call, wiring, cx);
    let scope = Ident::new("__cx", here(at));
    // An output of a saga that cannot be stored is reported at the saga.
    let (kind, ty) = match output {
        Some(output) => (quote!(tail::<#name, _>), Some(quote!(: #output))),
        None => (quote!(inner_tail), None),
    };
    let behind = behind.then(|| quote_spanned!(here(at)=> __kind.behind(&__step);));
    let done = quote_spanned! {here(at)=>
        match (#literal) {
            __step => {
                #[allow(unused_imports)]
                use #krate::__private::{TailStep as _, TailValue as _};
                let __kind = (&&#krate::__private::#kind(&__step)).kind();
                #behind
                let __shape = __kind.shape();
                let __value #ty = __kind.run(#scope, __step, &__shape).await;
                #scope.done(__value, __shape)
            }
        }
    };
    let done = bound(wiring, cx, done);
    future(call, cx, quote!(#ahead #done))
}
