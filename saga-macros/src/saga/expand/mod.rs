//! Writes the saga: its struct, the definition of its DAG, and its keys.

mod borrows;
mod closures;
mod control_flow;
mod keys;
mod nodes;
mod pattern_constants;
mod reads;
mod saga_struct;
mod spans;

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, LitStr, Type, parse_quote};

use self::keys::keys;
use self::nodes::Writer;
use self::saga_struct::{impls, stored, structure};
use self::spans::{here, local, placed};
use super::ast::{Head, Saga};
use super::attributes::RustcAttribute;
use super::order::{Order, read_in};
use super::resolve::{Wired, pivots};
use crate::arguments::Word;
use crate::errors::{Errors, position};

pub(crate) fn expand(
    saga: &Saga,
    wired: &Wired,
    compared: BTreeSet<String>,
    errors: Errors,
) -> TokenStream {
    let head = &saga.head;
    let Head { krate, name, context, .. } = head;
    let output = output(head);
    // Each item is at the place of its type, where rustc reports that it is private.
    let types = [("Context", context), ("Output", &output)].map(|(name, ty)| {
        let (at, name) = (here(ty.span()), Ident::new(name, ty.span()));
        quote_spanned!(at=> type #name = #ty;)
    });
    let at = context.span();
    let bound = placed(quote!(#krate::bounds::SharedContext), at);
    let checked = quote_spanned! {here(at)=>
        const _: () = {
            #[allow(dead_code, trivial_bounds)]
            fn shared() where #context: #bound {}
        };
    };
    let order = Order::of(wired);
    let structure = structure(head);
    let warnings = (errors.count() == 0).then(|| order.warnings());
    let (impls, stored) = (impls(head), stored(head));
    let durable = head.durable.as_ref().map_or_else(|| name.unraw().to_string(), LitStr::value);
    let version = head.version.map(|version| {
        quote! { const VERSION: ::core::primitive::u32 = #version; }
    });
    let place = position(name.span())
        .map_or_else(|| quote!(::core::line!()), |(line, _)| line.to_string().to_token_stream());
    // After an error, an unused name is only a consequence. Both texts have the same length; see
    // `emit_before`.
    let quiet = if errors.count() > 0 { quote!(all()) } else { quote!(any()) };
    let typed = errors.emit_unfinished();
    let dag = &local("__dag", Span::call_site());
    let writer = Writer::new(saga, dag.clone(), read_in(wired), compared, errors);
    let body = if head.complete { writer.saga(wired) } else { quote!(::core::unreachable!()) };
    // rustc reports errors in the order in which they are written.
    let errors = writer.unreported().emit();
    let forever = head.forever.then(|| {
        quote! {
            impl #krate::typed::NeverGivesUp for #name {}
        }
    });
    let nestable = (!pivots::has_one(saga)).then(|| {
        quote! {
            impl #krate::typed::Nestable for #name {}
        }
    });
    let keys = keys(saga, &order.text(wired, 0));
    // What the user allows is allowed in all of the saga, and a `#[cfg]` holds for all of it.
    let shared = head.attrs.iter().filter(|attr| is_shared(attr));
    let cfgs = head.attrs.iter().filter(|attr| attr.path().is_ident("cfg")).collect::<Vec<_>>();
    let gated = |items: TokenStream| (!items.is_empty()).then(|| quote!(#(#cfgs)* #items));
    let (errors, keys) = (gated(errors), gated(keys));
    // What changes while a line is being typed is written after the nodes, which an editor finds by their
    // place.
    quote! {
        #structure
        #(#shared)*
        const _: () = {
            // This block keeps our names out of sight of the user's code.
            const _: () = { #stored };
            #impls
            #forever
            #nestable
            #checked
            // This bound need not hold: what is wrong with the context is reported once, above.
            impl #krate::Saga for #name
            where
                for<'__a> #context: ::core::marker::Send + ::core::marker::Sync,
            {
                #(#types)*
                const NAME: &'static ::core::primitive::str = #durable;
                #version
                const PLACE: &'static ::core::primitive::str =
                    ::core::concat!(::core::file!(), ":", #place);
                #[cfg_attr(#quiet, allow(unused_variables, unreachable_code))]
                fn define(#dag: &mut #krate::dag::DagBuilder<#context>) -> #krate::typed::SagaOutput<#output> {
                    #typed
                    #body
                }
            }
            #warnings
        };
        #errors
        #keys
    }
}

/// True for an attribute of a saga that its struct and its nodes share.
fn is_shared(attr: &Attribute) -> bool {
    let name = attr.path().get_ident().map(Ident::to_string).unwrap_or_default();
    match RustcAttribute::find(&name) {
        Some(
            RustcAttribute::Cfg
            | RustcAttribute::Allow
            | RustcAttribute::Warn
            | RustcAttribute::Deny
            | RustcAttribute::Forbid,
        ) => true,
        // An expectation would have to be fulfilled in both.
        Some(RustcAttribute::Expect) | None => false,
    }
}

fn output(head: &Head) -> Type {
    head.output.clone().unwrap_or_else(|| parse_quote!(()))
}
