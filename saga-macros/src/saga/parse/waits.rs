//! Reads `wait_for::<Event> { .. }`, the only call whose path has a generic argument.

use proc_macro2::Ident;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{
    Error, ExprPath, FieldValue, GenericArgument, Member, Path, PathArguments, Token, Type,
    parse_quote_spanned,
};

use crate::saga::ast::Call;

/// The word, and the one that takes its place if there is a timeout: then the output is an `Option`.
const WORD: &str = "wait_for";
const WITHIN: &str = "wait_for_within";

/// The path, if it has generic arguments.
pub(super) fn path(input: ParseStream) -> Option<syn::Result<Path>> {
    let parsed = input.fork().parse::<ExprPath>().ok().filter(|parsed| parsed.qself.is_none())?;
    let last = parsed.path.segments.last()?;
    if last.ident == WORD && last.arguments.is_empty() {
        let message = "say for which event: `wait_for::<Event> {}`";
        // what is reported is also read, as of every other path: who looks for the next statement begins behind it
        return Some(
            input.parse::<ExprPath>().and_then(|read| Err(Error::new_spanned(read, message))),
        );
    }
    if parsed.path.segments.iter().all(|segment| segment.arguments.is_empty()) {
        return None;
    }
    if last.ident != WORD {
        return None; // rustc has no words for it, and neither has the error for other paths
    }
    Some(input.parse::<ExprPath>().map(|parsed| parsed.path))
}

/// The type of the event, if this is the path of a wait.
pub(crate) fn event(path: &Path) -> Option<&Path> {
    let PathArguments::AngleBracketed(arguments) = &path.segments.last()?.arguments else {
        return None;
    };
    match arguments.args.first()? {
        GenericArgument::Type(Type::Path(event)) => Some(&event.path),
        _ => None,
    }
}

/// The timeout of a wait for an event, if it has one.
pub(super) fn timeout(call: &Call) -> Option<&FieldValue> {
    event(&call.path)?;
    call.inputs.iter().find(|input| is_timeout(input))
}

/// True if the user wrote nothing between the braces.
pub(super) fn is_without_inputs(call: &Call) -> bool {
    call.inputs.len() <= usize::from(event(&call.path).is_some())
}

fn is_timeout(input: &FieldValue) -> bool {
    matches!(&input.member, Member::Named(name) if name == "timeout")
}

/// Adds what the user does not write: the field that holds the type of the event.
pub(super) fn complete(path: &mut Path, inputs: &mut Punctuated<FieldValue, Token![,]>) {
    let Some(last) = path.segments.last_mut() else { return };
    if last.ident != WORD || !matches!(last.arguments, PathArguments::AngleBracketed(_)) {
        return;
    }
    let span = last.ident.span();
    if inputs.iter().any(is_timeout) {
        last.ident = Ident::new(WITHIN, span);
    }
    if !inputs.empty_or_trailing() {
        inputs.push_punct(Token![,](span));
    }
    inputs.push_value(parse_quote_spanned!(span=> event: ::core::marker::PhantomData));
}
