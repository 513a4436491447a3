//! Replaces names in the user's expressions and patterns with what they mean in the expansion.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, Item, Macro, Pat, Token};

use super::macro_calls::{PLAIN_MACROS, case_of};

/// Replaces names by what reads them.
pub(crate) struct ReadNames<'a> {
    pub(crate) names: &'a BTreeSet<String>,
    pub(crate) cx: &'a Ident,
}

impl VisitMut for ReadNames<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        if let Expr::Path(path) = expr
            && path.qself.is_none()
            && let Some(name) = path.path.get_ident()
            && self.names.contains(&name.to_string())
        {
            *expr = Expr::Verbatim(read(name, self.cx));
            return;
        }
        visit_mut::visit_expr_mut(self, expr);
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

/// `name.get(cx)`, which for all messages is at the place of `name`.
pub(crate) fn read(name: &Ident, cx: &Ident) -> TokenStream {
    let mut arguments = Group::new(Delimiter::Parenthesis, cx.to_token_stream());
    arguments.set_span(name.span());
    let get = Ident::new("get", Span::mixed_site());
    quote!(#name.#get #arguments)
}

/// Lets patterns compare with constants of the saga, each represented by a `const` of Rust.
pub(crate) struct CompareConstants<'a> {
    pub(crate) constants: &'a BTreeSet<String>,
}

impl VisitMut for CompareConstants<'_> {
    fn visit_pat_mut(&mut self, pat: &mut Pat) {
        if let Pat::Ident(name) = pat
            && name.by_ref.is_none()
            && name.mutability.is_none()
            && name.subpat.is_none()
            && self.constants.contains(&name.ident.to_string())
        {
            *pat = Pat::Verbatim(real(&name.ident));
            return;
        }
        visit_mut::visit_pat_mut(self, pat);
    }

    fn visit_macro_mut(&mut self, mac: &mut Macro) {
        let name = mac.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
        if name == "matches"
            && let Ok((mut on, mut pat, mut guard)) = mac.parse_body_with(case_of)
        {
            self.visit_expr_mut(&mut on);
            self.visit_pat_mut(&mut pat);
            if let Some(guard) = &mut guard {
                self.visit_expr_mut(guard);
            }
            let guard = guard.map(|guard| quote!(if #guard));
            mac.tokens = quote!(#on, #pat #guard);
        } else if PLAIN_MACROS.contains(&name.as_str())
            && let Ok(mut arguments) =
                mac.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated)
        {
            arguments.iter_mut().for_each(|argument| self.visit_expr_mut(argument));
            mac.tokens = arguments.to_token_stream();
        }
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

/// The `const` of Rust that represents a constant of the saga, at its place. It is a path, because rustc
/// suggests that a single name might be a variable.
pub(crate) fn real(constant: &Ident) -> TokenStream {
    let holder = real_holder(constant);
    quote_spanned!(holder.span()=> #holder::#constant)
}

/// The type that has this `const`.
pub(crate) fn real_holder(constant: &Ident) -> Ident {
    let at = Span::mixed_site().located_at(constant.span());
    Ident::new(&format!("__Const{}", constant.unraw()), at)
}
