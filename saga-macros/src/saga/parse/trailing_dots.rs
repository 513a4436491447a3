//! Expressions that end in a dot, because the field or method after it is being typed.

use proc_macro2::{Group, Spacing, TokenStream, TokenTree};
use quote::quote_spanned;

/// The input with `flight.` replaced by `flight[error]`, which has any type for rustc: then the statement can
/// be read, and an editor knows whose fields to show. None if nothing is to be replaced.
pub(crate) fn finish_trailing_dots(input: TokenStream) -> Option<TokenStream> {
    let tokens = input.into_iter().collect::<Vec<_>>();
    let mut output = Vec::with_capacity(tokens.len());
    let mut found = false;
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| tokens.get(at));
        let group = match token {
            // The input of a macro may be anything.
            TokenTree::Group(group) if !is(before, '!') => finish_trailing_dots(group.stream())
                .map(|inner| {
                    let mut finished = Group::new(group.delimiter(), inner);
                    finished.set_span(group.span());
                    TokenTree::Group(finished)
                }),
            _ => None,
        };
        if let Some(group) = group {
            found = true;
            output.push(group);
        } else if ends_in_dot(before, token, tokens.get(at + 1)) {
            found = true;
            output.extend(quote_spanned! {token.span()=>
                [::core::compile_error! { "expected a field or a method after `.`" }]
            });
        } else {
            output.push(token.clone());
        }
    }
    found.then(|| output.into_iter().collect())
}

fn ends_in_dot(before: Option<&TokenTree>, token: &TokenTree, after: Option<&TokenTree>) -> bool {
    let ends = after.is_none() || is(after, ',') || is(after, ';');
    let value = !matches!(before, None | Some(TokenTree::Punct(_)));
    ends && value && matches!(token, TokenTree::Punct(dot) if dot.as_char() == '.')
}

fn is(token: Option<&TokenTree>, punct: char) -> bool {
    matches!(token, Some(TokenTree::Punct(p)) if p.as_char() == punct && p.spacing() == Spacing::Alone)
}
