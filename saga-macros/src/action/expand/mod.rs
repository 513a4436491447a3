//! Writes the function as it was, the struct of its inputs, and the implementations that the runtime calls.

mod attempt;
mod probe;
mod step;
mod transaction;
mod undo;

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, FnArg, ReturnType, Signature};

use self::step::step;
use super::check::Action;
use super::context::is_context;
use super::return_type::Returned;
use crate::cfg_combinations::condition;
use crate::errors::{Errors, said_once};

pub(crate) fn expand(action: &Action, errors: Errors) -> TokenStream {
    let function = &action.function;
    let (attrs, vis, sig, body) = (&function.attrs, &function.vis, &function.sig, &function.body);
    let cfgs = attrs.iter().filter(|attr| condition(attr).is_some()).collect::<Vec<_>>();
    let errors = errors.emit();
    let errors = (!errors.is_empty()).then(|| quote!(#(#cfgs)* #errors));
    let inputs = inputs(action, &cfgs);
    let typed = typed(action);
    let step = step(action);
    let sig = named_twice(sig);
    quote! {
        #(#attrs)* #vis #sig #body
        #errors
        #inputs
        #(#cfgs)*
        const _: () = {
            #typed
            #step
        };
    }
}

/// The signature, in which some types get a `<>` because they are written once more in an implementation.
fn named_twice(sig: &Signature) -> Signature {
    let mut sig = sig.clone();
    let context = sig.inputs.first_mut().filter(|param| is_context(param));
    if let Some(FnArg::Typed(param)) = context {
        said_once(&mut param.ty);
    }
    if let ReturnType::Type(_, ty) = &mut sig.output {
        said_once(ty);
    }
    sig
}

/// The struct. It follows the function, which is what rustc names when two items have the same name.
fn inputs(action: &Action, cfgs: &[&Attribute]) -> TokenStream {
    let (vis, name) = (&action.function.vis, &action.function.sig.ident);
    let generics = &action.generics;
    let clause = &generics.where_clause;
    let Lifetimes { declared, .. } = Lifetimes::of(action);
    let declared = angled(&declared);
    let what = if action.transaction.is_some() { "transaction" } else { "action" };
    let doc = format!("The inputs of the {what} [`{name}()`].");
    let fields = action.inputs.iter().map(|input| {
        let (name, ty) = (&input.name, &input.ty);
        let doc = format!("The parameter `{name}`.");
        quote!(#[doc = #doc] #vis #name: #ty)
    });
    // This is where rustc reports that the name is used twice.
    let at = Span::call_site().located_at(name.span());
    let keyword = Ident::new("struct", at);
    let fields = braces(at, quote!(#(#fields),*));
    quote! {
        #(#cfgs)*
        #[doc = #doc]
        #[allow(non_camel_case_types, non_snake_case, dead_code)]
        #vis #keyword #name #declared #clause #fields
    }
}

/// The lifetimes of the struct, as declared and as used.
struct Lifetimes {
    declared: Vec<TokenStream>,
    used: Vec<TokenStream>,
}

impl Lifetimes {
    fn of(action: &Action) -> Self {
        let generics = &action.generics;
        let elided = action.elided.iter().map(ToTokens::to_token_stream);
        let declared = generics.lifetimes().map(ToTokens::to_token_stream).chain(elided.clone());
        let used = generics.lifetimes().map(|l| l.lifetime.to_token_stream()).chain(elided);
        Self { declared: declared.collect(), used: used.collect() }
    }
}

fn angled(list: &[TokenStream]) -> Option<TokenStream> {
    (!list.is_empty()).then(|| quote!(<#(#list),*>))
}

fn typed(action: &Action) -> TokenStream {
    let (krate, name) = (&action.krate, &action.function.sig.ident);
    let clause = &action.generics.where_clause;
    let Lifetimes { declared, used } = Lifetimes::of(action);
    let (declared, used) = (angled(&declared), angled(&used));
    // Each item at the place of its type, where rustc says that it is private.
    let item = |name: &str, returned: &Returned| {
        let (at, ty) = (Span::call_site().located_at(returned.span), &returned.ty);
        let name = Ident::new(name, at);
        quote_spanned!(at=> type #name = #ty;)
    };
    let (output, error) = (item("Output", &action.output), item("Error", &action.error));
    let implementation = quote!(#declared #krate::typed::Typed);
    implement(name, implementation, quote!(#used #clause), quote!(#output #error))
}

/// `impl <..> Trait for name <..> { items }`, at the name, where rustc reports two actions of the same name.
fn implement(
    name: &Ident,
    implementation: TokenStream,
    rest: TokenStream,
    items: TokenStream,
) -> TokenStream {
    let at = Span::call_site().located_at(name.span());
    let keyword = Ident::new("impl", at);
    let mut name = name.clone();
    name.set_span(at);
    let items = braces(at, items);
    quote!(#keyword #implementation for #name #rest #items)
}

fn braces(at: Span, inner: TokenStream) -> Group {
    let mut group = Group::new(Delimiter::Brace, inner);
    group.set_span(at);
    group
}

/// A name of ours at a place of the user's, for messages about it.
fn local(name: &str, at: Span) -> Ident {
    Ident::new(name, Span::call_site().located_at(at))
}
