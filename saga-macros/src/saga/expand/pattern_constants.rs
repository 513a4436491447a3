//! Constants of a saga that patterns compare with, which must therefore be constants of Rust as well.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Attribute, Expr, Type};

use super::spans::here;
use crate::names::real_holder;

/// The `const` of Rust that patterns compare with.
pub(crate) fn real_constant(
    conditions: &[&Attribute],
    name: &Ident,
    ty: Option<&Type>,
    value: &Expr,
) -> TokenStream {
    let (holder, at) = (real_holder(name), here(name.span()));
    let constant = quote_spanned!(at=> const #name: #ty = #value;);
    quote! {
        #(#conditions)*
        #[allow(dead_code, non_camel_case_types)]
        struct #holder;
        #(#conditions)*
        #[allow(dead_code, non_upper_case_globals)]
        impl #holder { #constant }
    }
}
