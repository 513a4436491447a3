//! `#[saga_event]`: makes a struct an event that sagas wait for.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Fields, Item, ItemStruct, LitStr, Path, Token};

use crate::action::durable_name;
use crate::arguments::{Word, arguments, number, text, value, words};
use crate::errors::{Errors, as_text};

words! {
    /// What `#[saga_event(..)]` may say.
    enum Argument {
        Name = "name",
        Rev = "rev",
        Crate = "crate",
    }
}

#[derive(Default)]
struct Arguments {
    name: Option<LitStr>,
    rev: u32,
    krate: Option<Path>,
}

pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let arguments = read(args, &mut errors);
    let event = match event(item.clone()) {
        Ok(event) => event,
        Err(error) => {
            errors.push(error);
            let errors = errors.emit();
            return quote!(#item #errors);
        }
    };
    let krate = arguments.krate.clone().unwrap_or_else(|| syn::parse_quote!(::saga_core));
    let serde = quote!(#krate::__private::serde);
    let path = as_text(&serde);
    let derived = derived(&event.attrs);
    let derives =
        ["Serialize", "Deserialize"].into_iter().filter(|name| !derived.iter().any(|d| d == name));
    let derives = derives.map(|name| {
        let name = quote::format_ident!("{name}");
        quote!(#serde::#name)
    });
    let derives = derives.collect::<Vec<_>>();
    // the attribute of serde belongs to its derives
    let derives =
        (!derives.is_empty()).then(|| quote!(#[derive(#(#derives),*)] #[serde(crate = #path)]));
    let name = &event.ident;
    let (text, rev) =
        (arguments.name.map_or_else(|| name.to_string(), |name| name.value()), arguments.rev);
    let errors = errors.emit();
    let implementation = quote_spanned! {name.span()=>
        impl #krate::typed::ExternalEvent for #name {
            const NAME: &'static str = #text;
            const REV: u32 = #rev;
            type Same<__W> = __W;
        }
    };
    quote!(#derives #event #implementation #errors)
}

fn read(args: TokenStream, errors: &mut Errors) -> Arguments {
    let mut read = Arguments::default();
    let parser = |input: ParseStream| {
        arguments(input, Argument::ALL, errors, |argument, name, input, _| {
            let input = value(name, input)?;
            match argument {
                Argument::Name => read.name = Some(durable_name(text("name", "name", input)?)?),
                Argument::Rev => read.rev = number(input)?,
                Argument::Crate => read.krate = Some(input.call(Path::parse_mod_style)?),
            }
            Ok(())
        });
        Ok(())
    };
    let parsed = parser.parse2(args);
    errors.ok(parsed);
    read
}

/// The struct, or why it is no event.
fn event(item: TokenStream) -> syn::Result<ItemStruct> {
    let not_a_struct =
        "an event is a struct with named fields: `#[saga_event] struct Approved { .. }`";
    let item = syn::parse2::<Item>(item)?;
    let Item::Struct(event) = item else {
        return Err(Error::new_spanned(item, not_a_struct));
    };
    if let Some(param) = event.generics.params.first() {
        let message = "an event has no generic parameters: its name in the log stands for one type";
        return Err(Error::new(param.span(), message));
    }
    match &event.fields {
        Fields::Named(_) => Ok(event),
        Fields::Unit => {
            let name = &event.ident;
            let message =
                format!("an event has named fields, or none in braces: `struct {name} {{}}`");
            Err(Error::new_spanned(name, message))
        }
        Fields::Unnamed(fields) => Err(Error::new_spanned(fields, not_a_struct)),
    }
}

/// The traits that the user derives.
fn derived(attrs: &[Attribute]) -> Vec<String> {
    let lists = attrs.iter().filter(|attr| attr.path().is_ident("derive")).filter_map(|attr| {
        attr.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated).ok()
    });
    let names = lists.flatten().filter_map(|path| {
        path.segments.last().map(|last| last.ident.to_token_stream().to_string())
    });
    names.collect()
}
