//! Reads the parameters of a saga, and reports types that rustc would report several times, since the struct
//! of parameters is written several times.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Error, GenericArgument, PathArguments, Token, Type, TypeImplTrait, TypePath,
    TypeReference,
};

use super::head::skip_all;
use crate::errors::{Errors, as_text, said_once};
use crate::saga::ast::Param;

/// Reads `name: Type, ..`.
pub(crate) fn params(saga: &Ident, input: ParseStream, errors: &mut Errors) -> Vec<Param> {
    let mut params = Vec::<Param>::new();
    while !input.is_empty() {
        match param(saga, input) {
            Ok((param, _)) if params.iter().any(|other| other.name == param.name) => {
                let message =
                    format!("saga `{saga}` already has a parameter named `{}`", param.name);
                errors.at(&param.name, message);
            }
            Ok((param, unkept)) => {
                unkept.into_iter().for_each(|error| errors.push(error));
                params.push(param);
            }
            Err(error) => {
                errors.push(error);
                skip_all(input);
            }
        }
    }
    params
}

/// Reads one parameter, with its comma; also returns why it cannot be kept, if that is so.
fn param(saga: &Ident, input: ParseStream) -> syn::Result<(Param, Option<Error>)> {
    let attrs = input.call(Attribute::parse_outer)?;
    if input.peek(Token![mut]) {
        return Err(input.error("a parameter never changes: remove `mut`"));
    }
    if input.peek(Token![&]) || input.peek(Token![self]) {
        return Err(input.error("a saga has no `self`: it is made of its parameters, `name: Type`"));
    }
    let plain = input.peek(syn::Ident)
        && !input.peek2(syn::token::Brace)
        && !input.peek2(syn::token::Paren);
    if !plain {
        let here = input.span();
        let message = match input.call(Ident::parse_any) {
            Ok(keyword) if input.peek(Token![:]) => {
                format!("`{keyword}` is a keyword of Rust: give the parameter another name")
            }
            _ => "a parameter has one name: `name: Type`".to_string(),
        };
        return Err(Error::new(here, message));
    }
    let name = input.parse::<Ident>()?;
    if input.parse::<Option<Token![:]>>()?.is_none() {
        return Err(Error::new_spanned(
            &name,
            format!("give parameter `{name}` a type: `{name}: Type`"),
        ));
    }
    let mut ty = input.parse::<Type>().map_err(|error| {
        Error::new(error.span(), format!("expected the type of parameter `{name}` after `:`"))
    })?;
    if input.peek(Token![=]) {
        let message =
            format!("a parameter has no default: whoever starts saga `{saga}` gives all of them");
        return Err(input.error(message));
    }
    if !input.is_empty() && input.parse::<Option<Token![,]>>()?.is_none() {
        return Err(input.error("parameters are separated by `,`"));
    }
    let unkept = unkept(saga, Kept::Params, &ty);
    said_once(&mut ty);
    Ok((Param { attrs, name, ty }, unkept))
}

/// Values that a saga keeps in the log.
#[derive(Clone, Copy)]
pub(crate) enum Kept {
    Params,
    Output,
}

/// Why a saga cannot keep a value of this type, if its text shows it.
pub(crate) fn unkept(saga: &Ident, kept: Kept, ty: &Type) -> Option<Error> {
    let mut find = FindBorrow { found: None };
    match ty {
        Type::Slice(slice) => find.found(ty, &format!("write `Vec<{}>`", as_text(&slice.elem))),
        Type::Path(path) if path.path.is_ident("str") => find.found(ty, "write `String`"),
        _ => find.visit_type(ty),
    }
    let (at, message) = find.found?;
    let (what, them) = match kept {
        Kept::Params => ("parameters", "them"),
        Kept::Output => ("output", "it"),
    };
    let message =
        format!("saga `{saga}` keeps its {what} in the saga log, so it must own {them}: {message}");
    Some(Error::new_spanned(at, message))
}

/// The first type that cannot be kept, and what to do.
struct FindBorrow {
    found: Option<(TokenStream, String)>,
}

impl FindBorrow {
    fn found(&mut self, at: impl ToTokens, message: &str) {
        self.found.get_or_insert_with(|| (at.to_token_stream(), message.to_string()));
    }
}

impl<'ast> Visit<'ast> for FindBorrow {
    fn visit_type_reference(&mut self, ty: &'ast TypeReference) {
        self.found(ty, "remove the `&`");
    }

    fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
        self.found(ty, "name a type instead of `impl`");
    }

    fn visit_type_path(&mut self, ty: &'ast TypePath) {
        if let Some(last) = ty.path.segments.last()
            && last.ident == "Cow"
            && let PathArguments::AngleBracketed(arguments) = &last.arguments
            && !matches!(arguments.args.first(), Some(GenericArgument::Lifetime(_)))
        {
            self.found(ty, "write the owned type, or `Cow<'static, ..>`");
            return;
        }
        visit::visit_type_path(self, ty);
    }
}

/// The error for a token where `>` is expected.
pub(crate) fn generic(saga: &Ident, context: &Type, input: ParseStream) -> Error {
    let at = input.fork().parse::<TokenTree>().map(ToTokens::into_token_stream).unwrap_or_default();
    let context = as_text(context);
    Error::new_spanned(
        at,
        format!(
            "saga `{saga}` takes its context and nothing else: `{saga}<{context}>`; a saga cannot be generic"
        ),
    )
}

/// Skips the rest of `<..>`.
pub(crate) fn skip_generics(input: ParseStream) {
    let mut open = 1usize;
    while open > 0 && !input.is_empty() && !input.peek(syn::token::Brace) {
        match () {
            () if input.peek(Token![->]) => {
                let _ = input.parse::<Token![->]>();
            }
            () if input.peek(Token![<]) => open += 1,
            () if input.peek(Token![>]) => open -= 1,
            () => {}
        }
        if input.parse::<TokenTree>().is_err() {
            return;
        }
    }
}
