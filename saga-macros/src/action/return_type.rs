//! What the function returns: a `Result`, parts of which rustc would report badly.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    GenericArgument, Lifetime, Path, PathArguments, PathSegment, ReturnType, Type, parse_quote,
};

use super::check::generic;
use super::function::Function;
use crate::errors::{Errors, as_text};

/// A type from the function's `Result`, and where it is written.
pub(crate) struct Returned {
    pub(crate) ty: TokenStream,
    pub(crate) span: Span,
}

/// Output and error: as written where the type is a `Result<..>`, else by projection out of an alias.
pub(crate) fn returned(
    function: &Function,
    krate: &Path,
    errors: &mut Errors,
) -> (Returned, Returned) {
    let sig = &function.sig;
    let unknown = |span| {
        let error = Returned { ty: quote_spanned!(span=> ::std::string::String), span };
        (Returned { ty: quote_spanned!(span=> ()), span }, error)
    };
    if generic(function) {
        return unknown(sig.ident.span());
    }
    let ty = match &sig.output {
        ReturnType::Type(_, ty) => &**ty,
        ReturnType::Default => {
            let message = format!("action `{}` must return a `Result<Output, Error>`", sig.ident);
            errors.at(&sig.ident, message);
            return unknown(sig.ident.span());
        }
    };
    let named = |last: &&PathSegment| last.ident.to_string().ends_with("Result");
    let Some(last) = last_segment(ty).filter(named) else {
        let text = as_text(ty);
        let hint = match text.starts_with(char::is_uppercase) {
            true => " (the name of an alias of `Result` must end in `Result`)",
            false => "",
        };
        let message = format!(
            "action `{}` must return a `Result<{text}, Error>`, not `{text}`{hint}",
            sig.ident
        );
        errors.at(ty, message);
        let (mut output, error) = unknown(ty.span());
        if matches!(ty, Type::Path(_)) {
            // This is what was meant, for the undo and for sagas.
            output.ty = ty.to_token_stream();
        }
        return (output, error);
    };
    let mut written = (last.ident == "Result").then(|| types(&last.arguments));
    let mut part = |projection: TokenStream, is_output: bool| match written
        .as_mut()
        .and_then(Iterator::next)
    {
        Some(ty) => {
            let mut ty = ty.clone();
            let span = ty.span();
            let message = unkept(&ty, is_output);
            if message.is_some() || is_unsized(&ty) {
                message.into_iter().for_each(|message| errors.at(&ty, message));
                ty = if is_output { parse_quote!(()) } else { parse_quote!(::std::string::String) };
            }
            Returned { span, ty: ty.into_token_stream() }
        }
        None => Returned { ty: projection, span: ty.span() },
    };
    let returned = quote!(#krate::bounds::ActionReturn);
    let output = part(quote_spanned!(ty.span()=> <#ty as #returned>::Ok), true);
    (output, part(quote_spanned!(ty.span()=> <#ty as #returned>::Err), false))
}

/// Why an output or error of this type cannot be kept, if its text shows it.
fn unkept(ty: &Type, is_output: bool) -> Option<&'static str> {
    let is_static = |lifetime: &Lifetime| lifetime.ident == "static";
    match ty {
        // No reference can be read back, but an error may be `'static`.
        Type::Reference(ty) if is_output || !ty.lifetime.as_ref().is_some_and(is_static) => {
            Some("this is kept in the saga log, so it cannot borrow: return an owned value")
        }
        Type::ImplTrait(_) if is_output => {
            Some("an output is read back from the saga log: name its type")
        }
        Type::ImplTrait(_) => Some("name the type of this error"),
        _ => None,
    }
}

pub(crate) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// True for a type without a known size, which rustc reports where a function takes or returns it.
pub(crate) fn is_unsized(ty: &Type) -> bool {
    match ty {
        Type::Slice(_) | Type::TraitObject(_) => true,
        Type::Path(path) => path.path.is_ident("str"),
        _ => false,
    }
}

pub(crate) fn types(arguments: &PathArguments) -> impl Iterator<Item = &Type> {
    let arguments = match arguments {
        PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        _ => None,
    };
    arguments.into_iter().flatten().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}
