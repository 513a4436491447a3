//! Writes how a node reads: its bindings, the names of outputs in its expressions, and the binders around it.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::VisitMut;
use syn::{Expr, Pat};

use super::spans::{here, local};
use crate::names::{CompareConstants, ReadNames, read, real};
use crate::saga::resolve::binders::{Binder, awaited, item};
use crate::saga::resolve::wiring::Wiring;

/// Declares each name that must not be read, with an error as its value, so that rustc does not report it
/// again.
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
            // It is declared as a constant, which does not bind where it is a pattern.
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
    CompareConstants { constants: &wiring.compared }.visit_expr_mut(&mut expr);
    ReadNames { names: &wiring.inside, cx }.visit_expr_mut(&mut expr);
    expr
}

/// The user's pattern, which compares with constants of the saga.
pub(crate) fn pattern(pat: &Pat, wiring: &Wiring) -> Pat {
    let mut pat = pat.clone();
    CompareConstants { constants: &wiring.compared }.visit_pat_mut(&mut pat);
    pat
}

/// Reads these variables, so that rustc does not call them unused.
pub(crate) fn used(variables: &[&Ident]) -> TokenStream {
    if variables.is_empty() {
        return TokenStream::new();
    }
    quote!(let _ = (#(&#variables,)*);)
}

/// The user's patterns are written into several closures, and a `mut` variable is not changed in all of them:
/// rustc would say that it need not be `mut`.
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
            Binder::Wait(pat, number) => {
                let (awaited, pat) = (awaited(number), pattern(pat, wiring));
                quote! {
                    match #awaited.get(#cx) {
                        #pat => { #used #inner }
                        #[allow(unreachable_patterns)]
                        _ => #cx.wrong_arm(),
                    }
                }
            }
            Binder::Else => inner,
        };
        mutable([&scope.binder], bound)
    })
}
