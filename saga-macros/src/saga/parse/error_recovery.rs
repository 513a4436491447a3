//! Where a statement ends and the next one starts, also after a mistake.

use proc_macro2::{Ident, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Attribute, Error, Path, Token, braced, token};

use crate::errors::did_you_mean;

/// True before `parallel { .. }`.
pub(crate) fn is_parallel(input: ParseStream) -> bool {
    input.peek(syn::Ident)
        && input.peek2(token::Brace)
        && input.fork().call(Ident::parse_any).is_ok_and(|name| name == "parallel")
}

/// True before `select { .. }`.
pub(crate) fn is_select(input: ParseStream) -> bool {
    input.peek(syn::Ident)
        && input.peek2(token::Brace)
        && input.fork().call(Ident::parse_any).is_ok_and(|name| name == "select")
}

/// The error for a block with another name than `parallel`. Its braces contain statements, so it is not an
/// action with its inputs.
pub(crate) fn unknown_block(input: ParseStream) -> Option<Error> {
    let ahead = input.fork();
    let name = ahead.parse::<Ident>().ok().filter(|name| name != "parallel" && name != "select")?;
    let holds_statements: syn::Result<bool> = (|| {
        let content;
        braced!(content in ahead);
        content.call(Attribute::parse_outer)?;
        let node = content.peek(Token![let]) || content.peek(Token![const]);
        Ok(node || content.peek(token::Brace) || {
            content.call(Path::parse_mod_style)?;
            content.peek(token::Brace)
        })
    })();
    if !holds_statements.unwrap_or(false) {
        return None;
    }
    let nearest = did_you_mean(&name.to_string().to_lowercase(), ["parallel"]);
    let known = if nearest.is_empty() { "; there is only `parallel { .. }`" } else { &nearest };
    Some(Error::new_spanned(&name, format!("unknown block `{name}`{known}")))
}

/// The error for a loop.
pub(crate) fn never(input: ParseStream) -> Option<Error> {
    let keyword = match () {
        () if input.peek(Token![while]) => "while",
        () if input.peek(Token![loop]) => "loop",
        () => return None,
    };
    let message = format!("a saga cannot `{keyword}`: its nodes never run twice");
    Some(Error::new(input.span(), message))
}

/// The keyword of a `for`, `if`, `match`, `try` or `select`.
pub(crate) fn construct(input: ParseStream) -> Option<Ident> {
    let here = input.peek(Token![for]) || input.peek(Token![if]);
    let here = here || input.peek(Token![match]) || input.peek(Token![try]) || is_select(input);
    here.then(|| input.fork().call(Ident::parse_any).ok()).flatten()
}

/// True where a new statement probably starts.
pub(crate) fn starts_statement(input: ParseStream) -> bool {
    input.is_empty()
        || input.peek(Token![let])
        || input.peek(Token![const])
        || input.peek(Token![#])
        || input.peek(syn::Ident)
}

/// Skips to the next statement.
pub(crate) fn skip_statement(input: ParseStream) {
    while !input.is_empty() && !input.peek(Token![let]) && !is_parallel(input) {
        let end = input.peek(Token![;]);
        if input.parse::<TokenTree>().is_err() || end {
            return;
        }
    }
}

/// Skips the block or blocks of a `for`, `if`, `match`, `try` or `select`.
pub(crate) fn skip_construct(input: ParseStream) {
    let next = || input.peek(Token![let]) && input.peek2(syn::Ident) && input.peek3(Token![=]);
    while !input.is_empty() && !input.peek(Token![;]) && !next() {
        let block = input.peek(token::Brace);
        if input.parse::<TokenTree>().is_err() {
            return;
        }
        if block && !input.peek(Token![else]) {
            break;
        }
    }
    let _ = input.parse::<Option<Token![;]>>();
}

/// The first token, for carets that would otherwise cover several lines.
pub(crate) fn first(tokens: impl ToTokens) -> Option<TokenTree> {
    tokens.into_token_stream().into_iter().next()
}
