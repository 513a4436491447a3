//! Places of the tokens that are written, which decide on rustc's carets and on an editor's "go to
//! definition".

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

/// A name that the user's code cannot see, at a place of the user's.
pub(crate) fn local(name: &str, at: Span) -> Ident {
    Ident::new(name, here(at))
}

pub(crate) fn here(at: Span) -> Span {
    Span::mixed_site().located_at(at)
}

/// Tokens of ours at a place of the user's.
pub(crate) fn placed(tokens: TokenStream, at: Span) -> TokenStream {
    let tokens = tokens.into_iter().map(|mut token| {
        token.set_span(token.span().located_at(at));
        token
    });
    tokens.collect()
}

/// The same for a path, of which only the last name and the punctuation move: for every name at a place of
/// the user's, an editor offers its definition.
pub(crate) fn path_placed(tokens: TokenStream, at: Span) -> TokenStream {
    let mut tokens = tokens.into_iter().collect::<Vec<_>>();
    let last = tokens.len().saturating_sub(1);
    for (number, token) in tokens.iter_mut().enumerate() {
        if number == last || matches!(token, TokenTree::Punct(_)) {
            token.set_span(token.span().located_at(at));
        }
    }
    tokens.into_iter().collect()
}

/// `{ .. }` at this place.
pub(crate) fn block(at: Span, inner: TokenStream) -> Group {
    let mut block = Group::new(Delimiter::Brace, inner);
    block.set_span(here(at));
    block
}
