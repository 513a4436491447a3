//! Which parameter is the context.

use proc_macro2::Ident;
use syn::{FnArg, Pat, PatType, PathArguments, Type};

use super::function::Function;
use super::return_type::{last_segment, types};
use crate::errors::{Errors, as_text};

/// How the context is written.
pub(crate) enum Context {
    /// `&ActionContext<C>`: the `C`.
    Plain(Type),
    /// `cx: &Alias`: the `Alias`.
    Alias(Type),
}

/// The context, if this parameter is one: by the name of its type, or by its own name if the type is an
/// alias.
pub(crate) fn context(param: &PatType, none_yet: bool) -> Option<Context> {
    let (reference, inner) = match &*param.ty {
        Type::Reference(reference) => (true, &*reference.elem),
        ty => (false, ty),
    };
    if let Some(arguments) = context_arguments(inner) {
        return Some(match types(arguments).next() {
            Some(user) => Context::Plain(user.clone()),
            None => Context::Alias(inner.clone()),
        });
    }
    let called_cx = matches!(&*param.pat, Pat::Ident(pat) if is_context_name(&pat.ident));
    (none_yet && reference && called_cx && has_own_name(inner))
        .then(|| Context::Alias(inner.clone()))
}

/// True for a parameter that is the context, or would be if it were the first.
pub(crate) fn is_context(param: &FnArg) -> bool {
    matches!(param, FnArg::Typed(param) if context(param, true).is_some())
}

/// True for a name that a context has, whatever its type is.
pub(crate) fn is_context_name(name: &Ident) -> bool {
    let name = name.to_string();
    ["cx", "ctx", "context"].contains(&name.strip_prefix('_').unwrap_or(&name))
}

/// False for built-in types and `String`: such a parameter is an input that is only named like a context.
fn has_own_name(ty: &Type) -> bool {
    let last = last_segment(ty).map(|last| last.ident.to_string());
    last.is_some_and(|last| last.starts_with(char::is_uppercase) && last != "String")
}

/// The arguments of `ActionContext<..>`, if the type has that name.
fn context_arguments(ty: &Type) -> Option<&PathArguments> {
    last_segment(ty).filter(|last| last.ident == "ActionContext").map(|last| &last.arguments)
}

/// Reports a context that is not the first parameter, or not a shared reference.
pub(crate) fn misplaced(
    function: &Function,
    param: &PatType,
    i: usize,
    second: bool,
    errors: &mut Errors,
) {
    let name = &function.sig.ident;
    if second {
        errors.at(param, format!("action `{name}` already has a context"));
    } else if i > 0 {
        errors
            .at(param, format!("the context comes first: make it the first parameter of `{name}`"));
    } else if let Type::Reference(reference) = &*param.ty
        && let Some(mutability) = reference.mutability
    {
        let message = "a context is shared: remove `mut`";
        errors.at(mutability, message);
    } else if context_arguments(&param.ty).is_some() {
        let text = as_text(&param.ty);
        errors.at(&param.ty, format!("an action takes its context by reference: `&{text}`"));
    }
}
