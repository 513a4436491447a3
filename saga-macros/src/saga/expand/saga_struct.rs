//! Writes the saga's struct, whose fields are the parameters, and the traits that it always has.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Path, Token};

use super::spans::{block, here, placed};
use crate::errors::as_text;
use crate::saga::ast::Head;

pub(crate) fn structure(head: &Head) -> TokenStream {
    let Head { attrs, krate, vis, name, params, .. } = head;
    let serde = quote!(#krate::__private::serde);
    let path = as_text(&serde);
    let derived = derived(head);
    let derives = ["Serialize", "Deserialize"].into_iter().filter(|name| !derived.has(name));
    let derives = derives.map(|name| {
        let name = quote::format_ident!("{name}");
        quote!(#serde::#name)
    });
    let fields = params.iter().enumerate().map(|(number, param)| {
        let (attrs, name, ty) = (&param.attrs, &param.name, &param.ty);
        let documented = attrs.iter().any(|attr| attr.path().is_ident("doc"));
        let doc = (!documented).then(|| format!("The parameter `{name}`."));
        let doc = doc.map(|doc| quote!(#[doc = #doc]));
        let bounds = bounds(head, number, &path);
        quote!(#[serde(#bounds)] #(#attrs)* #doc #vis #name: #ty)
    });
    // Where rustc says that the name is used twice.
    let keyword = Ident::new("struct", here(name.span()));
    let fields = block(name.span(), quote!(#(#fields),*));
    quote! {
        #[derive(#(#derives),*)]
        #[serde(crate = #path)]
        #(#attrs)*
        #vis #keyword #name #fields
    }
}

/// Bounds for serde that need not hold: what cannot be stored is reported once, by [`stored`]. They are text,
/// and rustc places an error in it on the whole macro, so a type is named by the number of its parameter.
fn bounds(head: &Head, number: usize, serde: &str) -> TokenStream {
    let Head { krate, name, .. } = head;
    let ty = as_text(quote!(<#name as #krate::__private::Parameter<#number>>::Type));
    let bound = |bound: &str| format!("for<'__a> {ty}: {serde}::{bound}");
    let (ser, de) = (bound("Serialize"), bound("Deserialize<'de>"));
    quote!(bound(serialize = #ser, deserialize = #de))
}

/// Checks that each parameter can be stored. It is a bound, since rustc checks bounds in the order of the
/// items: before the saga, which then cannot be stored either.
pub(crate) fn stored(head: &Head) -> TokenStream {
    let krate = &head.krate;
    let bounds = head.params.iter().map(|param| {
        let (ty, at) = (&param.ty, param.ty.span());
        let data = placed(quote!(#krate::bounds::Storable), at);
        quote_spanned!(at=> #ty: #data)
    });
    let numbered = head.params.iter().enumerate().map(|(number, param)| {
        let (name, ty) = (&head.name, &param.ty);
        quote! {
            impl #krate::__private::Parameter<#number> for #name {
                type Type = #ty;
            }
        }
    });
    quote! {
        #(#numbered)*
        #[allow(dead_code, trivial_bounds)]
        fn stored() where #(#bounds),* {}
    }
}

/// `Debug` and `Clone`, if the parameters have them: a bound with an unused lifetime need not hold.
pub(crate) fn impls(head: &Head) -> TokenStream {
    let Head { name, params, .. } = head;
    let derived = derived(head);
    let names = params.iter().map(|param| &param.name).collect::<Vec<_>>();
    let types = params.iter().map(|param| &param.ty).collect::<Vec<_>>();
    let text = name.to_string();
    let labels = names.iter().map(|name| name.to_string());
    let debug = (!derived.has("Debug")).then(|| {
        quote! {
            #[automatically_derived]
            impl ::core::fmt::Debug for #name
            where
                #(for<'__a> #types: ::core::fmt::Debug),*
            {
                fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    let mut __f = ::core::fmt::Formatter::debug_struct(__f, #text);
                    #(::core::fmt::DebugStruct::field(&mut __f, #labels, &self.#names);)*
                    ::core::fmt::DebugStruct::finish(&mut __f)
                }
            }
        }
    });
    let clone = (!derived.has("Clone")).then(|| {
        quote! {
            #[automatically_derived]
            impl ::core::clone::Clone for #name
            where
                #(for<'__a> #types: ::core::clone::Clone),*
            {
                fn clone(&self) -> Self {
                    Self { #(#names: ::core::clone::Clone::clone(&self.#names)),* }
                }
            }
        }
    });
    quote!(#debug #clone)
}

/// The traits that the user derives, which are not written again.
struct Derived(Vec<String>);

impl Derived {
    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|derived| derived == name)
    }
}

fn derived(head: &Head) -> Derived {
    let lists =
        head.attrs.iter().filter(|attr| attr.path().is_ident("derive")).filter_map(|attr| {
            attr.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated).ok()
        });
    let names = lists.flatten().filter_map(|path| {
        path.segments.last().map(|last| last.ident.to_token_stream().to_string())
    });
    Derived(names.collect())
}
