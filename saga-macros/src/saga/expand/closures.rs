//! Writes the closures of nodes, with the user's own literals and expressions in them.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::VisitMut;
use syn::{Expr, Pat, Stmt, Type};

use super::borrows::lasts;
use crate::names::{Compare, Read, read, real};
use crate::saga::ast::{Call, Head};
use crate::saga::resolve::binders::{Binder, item};
use crate::saga::resolve::wiring::Wiring;

/// A name that the user's code cannot see, at a place of the user's.
pub(crate) fn local(name: &str, at: Span) -> Ident {
    Ident::new(name, here(at))
}

pub(crate) fn here(at: Span) -> Span {
    Span::mixed_site().located_at(at)
}

/// Tokens of ours at a place of the user's.
pub(crate) fn placed(tokens: TokenStream, at: Span) -> TokenStream {
    let tokens = tokens.into_iter().map(|mut token| {
        token.set_span(token.span().located_at(at));
        token
    });
    tokens.collect()
}

/// The same of a path without the names on the way: an editor goes to the definition of every name that is at a
/// place of the user's.
pub(crate) fn path_placed(tokens: TokenStream, at: Span) -> TokenStream {
    let mut tokens = tokens.into_iter().collect::<Vec<_>>();
    let last = tokens.len().saturating_sub(1);
    for (number, token) in tokens.iter_mut().enumerate() {
        if number == last || matches!(token, TokenTree::Punct(_)) {
            token.set_span(token.span().located_at(at));
        }
    }
    tokens.into_iter().collect()
}

/// `{ .. }` at this place.
pub(crate) fn block(at: Span, inner: TokenStream) -> Group {
    let mut block = Group::new(Delimiter::Brace, inner);
    block.set_span(here(at));
    block
}

/// Declares what must not be read with an error in its place, so that rustc does not report it again.
pub(crate) fn wrong(wiring: &Wiring) -> TokenStream {
    let wrong = wiring.wrong.iter().map(|(name, error)| {
        let error = error.to_compile_error();
        quote!(let #name = #error;)
    });
    quote!(#(#wrong)*)
}

/// `&[("leg", &[trip.id()])]`
pub(crate) fn bindings(wiring: &Wiring) -> TokenStream {
    let inputs = wiring.inputs.iter().map(|(input, from)| quote!((#input, &[#(#from.id()),*])));
    quote!(&[#(#inputs),*])
}

/// `let x = x.get(cx);` for the names that cannot be replaced where they stand.
pub(crate) fn ahead(wiring: &Wiring, cx: &Ident) -> TokenStream {
    let reads = wiring.ahead.iter().map(|name| {
        if let Some(ty) = wiring.constants.get(&name.to_string()) {
            // a constant again: as a pattern it must not bind
            let real = real(name);
            let at = here(name.span());
            let constant = quote_spanned!(at=> const #name: &#ty = &#real;);
            return quote!(#[allow(dead_code, non_upper_case_globals)] #constant);
        }
        let read = read(name, cx);
        quote!(#[allow(unused_variables, non_snake_case)] let #name = #read;)
    });
    quote!(#(#reads)*)
}

/// The user's expression, with names replaced by what reads them.
pub(crate) fn expr(expr: &Expr, wiring: &Wiring, cx: &Ident) -> Expr {
    let mut expr = expr.clone();
    Compare { constants: &wiring.compared }.visit_expr_mut(&mut expr);
    Read { names: &wiring.inside, cx }.visit_expr_mut(&mut expr);
    expr
}

/// The user's pattern, which compares with constants of the saga.
pub(crate) fn pattern(pat: &Pat, wiring: &Wiring) -> Pat {
    let mut pat = pat.clone();
    Compare { constants: &wiring.compared }.visit_pat_mut(&mut pat);
    pat
}

/// Reads these variables, so that rustc does not call them unused.
pub(crate) fn used(variables: &[&Ident]) -> TokenStream {
    if variables.is_empty() {
        return TokenStream::new();
    }
    quote!(let _ = (#(&#variables,)*);)
}

/// The user's patterns stand in several closures, and not in each of them is a variable changed that is
/// `mut`: rustc would ask for that to go.
pub(crate) fn mutable<'a>(
    binders: impl IntoIterator<Item = &'a Binder<'a>>,
    inner: TokenStream,
) -> TokenStream {
    match binders.into_iter().any(Binder::has_mut) {
        true => quote!(match () { #[allow(unused_mut)] () => #inner }),
        false => inner,
    }
}

/// Binds the variables of the patterns around a node, and ends in `inner`.
pub(crate) fn bound(wiring: &Wiring, cx: &Ident, inner: TokenStream) -> TokenStream {
    wiring.binders.iter().rev().fold(inner, |inner, scope| {
        let used = used(&scope.variables.iter().collect::<Vec<_>>());
        let bound = match scope.binder {
            Binder::For(pat, items, number) => {
                let (items_at, item) = (items.span(), item(number));
                let pat = pattern(pat, wiring);
                let items = expr(items, wiring, cx);
                let list = local("list", items_at);
                quote! {
                    match #cx.#list(#items, ::core::option::Option::Some(#item)).item() {
                        #pat => { #used #inner }
                        #[allow(unreachable_patterns)]
                        _ => #cx.wrong_arm(),
                    }
                }
            }
            Binder::Case(on, pat, guard) => {
                let (on, pat) = (expr(on, wiring, cx), pattern(pat, wiring));
                let guard =
                    guard.map(|guard| expr(guard, wiring, cx)).map(|guard| quote!(if #guard));
                quote! {
                    match #on {
                        #pat #guard => { #used #inner }
                        #[allow(unreachable_patterns)]
                        _ => #cx.wrong_arm(),
                    }
                }
            }
            Binder::If(condition) => {
                let condition = expr(condition, wiring, cx);
                quote!(if #condition { #used #inner } else { #cx.wrong_arm() })
            }
            Binder::Else => inner,
        };
        mutable([&scope.binder], bound)
    })
}

/// The user's literal, with names replaced by what reads them.
fn literal(call: &Call, wiring: &Wiring, cx: &Ident) -> TokenStream {
    let mut inputs = call.inputs.clone();
    let mut compare = Compare { constants: &wiring.compared };
    let mut replace = Read { names: &wiring.inside, cx };
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
    literal
}

/// A closure that ends in a future. All of it is at the place of the call: carets would else cover the
/// whole macro.
fn future(call: &Call, cx: &Ident, inner: TokenStream) -> TokenStream {
    let at = call.path.span();
    let block = block(at, inner);
    let scope = Ident::new("__cx", here(at));
    let boxed = Ident::new("boxed", Span::mixed_site());
    // its first token is where a call starts
    let (start, pin) = (quote_spanned!(here(at)=> ::), quote!(std::boxed::Box::pin));
    let block = quote_spanned!(here(at)=> #start #pin(async move #block));
    closure(call, cx, quote_spanned!(here(at)=> #scope.#boxed(#block)))
}

/// A closure that ends in a call, and needs no `async` block.
fn closure(call: &Call, cx: &Ident, inner: TokenStream) -> TokenStream {
    // at the brace, where an editor looks for nothing
    let cx = local(&cx.to_string(), call.brace.span.open());
    let block = block(call.path.span(), inner);
    quote_spanned!(here(call.path.span())=> move |#cx| #block)
}

/// A node whose type is what the action returns.
pub(crate) fn called(call: &Call, behind: bool, wiring: &Wiring, cx: &Ident) -> TokenStream {
    let at = call.path.span();
    let ahead = ahead(wiring, cx);
    let literal = literal(call, wiring, cx);
    // an editor goes to the definition of everything that is at the place of the action
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

/// A node whose type is written by the user and compared by rustc.
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

/// A computed node.
pub(crate) fn value(expr: &Expr, ty: Option<&Type>, wiring: &Wiring, cx: &Ident) -> TokenStream {
    let expr = unwrapped(expr);
    let at = here(expr.span());
    let ahead = ahead(wiring, cx);
    let expr = self::expr(expr, wiring, cx);
    let ty = ty.map(|ty| quote!(: #ty));
    // rustc may propose to call it
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

/// A value that is returned at this place, where rustc says that it borrows. Only what starts and ends it is
/// there: an editor would go to the definition of a name.
fn returned(value: TokenStream, at: Span) -> TokenStream {
    let (start, identity) = (quote_spanned!(at=> ::), quote!(core::convert::identity));
    let mut value = Group::new(Delimiter::Parenthesis, value);
    value.set_span(at);
    quote!(#start #identity #value)
}

/// A constant: by its expression, or by the `const` of Rust that patterns compare with.
pub(crate) fn constant(expr: &Expr, ty: Option<&Type>, real: Option<TokenStream>) -> TokenStream {
    let expr = unwrapped(expr);
    let at = here(expr.span());
    let ty = ty.map(|ty| quote!(: #ty));
    let value = local("__value", Span::call_site());
    let of = real.unwrap_or_else(|| expr.to_token_stream());
    quote_spanned!(at=> || { let #value #ty = #of; #value })
}

/// Without braces that hold nothing but an expression.
pub(crate) fn unwrapped(expr: &Expr) -> &Expr {
    match expr {
        Expr::Block(block) if block.attrs.is_empty() && block.label.is_none() => {
            match block.block.stmts.as_slice() {
                [Stmt::Expr(expr, None)] => expr,
                _ => expr,
            }
        }
        expr => expr,
    }
}

/// A literal on the last line, of a type that is an action, a saga or plain: its type tells which. With
/// the type of the output, if that is known.
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
    // that the output of a saga can be stored is reported at the saga
    let (kind, ty) = match output {
        Some(output) => (quote!(tail::<#name, _>), Some(quote!(: #output))),
        None => (quote!(inner_tail), None),
    };
    let behind = behind.then(|| quote_spanned!(here(at)=> __kind.behind(&__step);));
    let done = quote_spanned! {here(at)=>
        match (#literal) {
            __step => {
                #[allow(unused_imports)]
                use #krate::bounds::{TailStep as _, TailValue as _};
                let __kind = (&&#krate::bounds::#kind(&__step)).kind();
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
