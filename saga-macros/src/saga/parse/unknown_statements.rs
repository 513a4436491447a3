//! Statements that the language does not have, although it is clear what they mean: each is one error, and the names
//! that it declares are known from there on.

use proc_macro2::{Ident, TokenTree};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Error, Pat, Path, Token, Type, token};

use super::error_recovery::{is_parallel, starts_statement};
use crate::names::variables_of;

/// Such a statement, and what is wrong with it.
pub(crate) struct UnknownStatement {
    /// The names that it declares.
    pub(crate) names: Vec<Ident>,
    pub(crate) error: Error,
    /// True if it assigns to a name that may be declared already: `hotel = ..`.
    pub(crate) assigns: bool,
}

impl UnknownStatement {
    fn new(names: Vec<Ident>, error: Error) -> Self {
        Self { names, error, assigns: false }
    }
}

/// Reads such a statement, if the next one is.
pub(crate) fn unknown_statement(input: ParseStream) -> Option<UnknownStatement> {
    if input.peek(Token![let]) {
        return pattern(input);
    }
    if input.peek(Token![const]) || input.peek(Token![static]) {
        return constant(input);
    }
    let item = input.peek(Token![use]) || input.peek(Token![fn]) || input.peek(Token![struct]);
    if item || input.peek(Token![type]) || input.peek(Token![enum]) {
        let keyword = input.fork().call(Ident::parse_any).ok()?;
        let message = format!("`{keyword}` belongs outside of the saga, beside its actions");
        let error = Error::new_spanned(&keyword, message);
        let block = |input: ParseStream| keyword != "use" && input.peek(token::Brace);
        while !input.is_empty() {
            let end = input.peek(Token![;]) || block(input);
            if input.parse::<TokenTree>().is_err() || end {
                break;
            }
        }
        return Some(UnknownStatement::new(Vec::new(), error));
    }
    without_let(input)
}

/// `let (a, b) = ..;`, `let Some(a) = .. else { .. };`, `let type = ..;`
fn pattern(input: ParseStream) -> Option<UnknownStatement> {
    let ahead = input.fork();
    ahead.parse::<Token![let]>().ok()?;
    let plain = ahead.peek(syn::Ident) && !ahead.peek2(token::Brace) && !ahead.peek2(token::Paren);
    if plain || ahead.peek(Token![_]) || ahead.peek(Token![mut]) {
        return None;
    }
    let at = ahead.span();
    let keyword = ahead.fork().call(Ident::parse_any).ok().filter(|_| !ahead.peek(syn::Ident));
    let (names, message) = match keyword {
        Some(keyword) if ahead.peek2(Token![=]) || ahead.peek2(Token![:]) => {
            let message = format!("`{keyword}` is a keyword of Rust: give the node another name");
            (vec![Ident::new_raw(&keyword.to_string(), keyword.span())], message)
        }
        _ => {
            let pattern = ahead.call(Pat::parse_single).ok()?;
            (variables_of(&pattern), "a node has one name: `let name = action { .. };`".to_string())
        }
    };
    skip(input, false);
    Some(UnknownStatement::new(names, Error::new(at, message)))
}

/// `const NAME = ..;` and `static NAME: T = ..;`
fn constant(input: ParseStream) -> Option<UnknownStatement> {
    let ahead = input.fork();
    let keyword = ahead.call(Ident::parse_any).ok()?;
    let name = ahead.parse::<Ident>().ok()?;
    let error = match keyword == "static" {
        true => Error::new_spanned(
            &keyword,
            format!("a saga has no `static`: declare a constant, `const {name}: Type = ..;`"),
        ),
        false if ahead.peek(Token![=]) => Error::new_spanned(
            &name,
            format!("a constant needs a type: `const {name}: Type = ..;`"),
        ),
        false => return None,
    };
    skip(input, false);
    Some(UnknownStatement::new(vec![name], error))
}

/// `hotel = ..;`, `hotel: Hotel = ..;`, `var hotel = ..;`, and `hotel: action { .. },`
fn without_let(input: ParseStream) -> Option<UnknownStatement> {
    let ahead = input.fork();
    let first = ahead.parse::<Ident>().ok()?;
    let declares = |ahead: ParseStream| {
        (ahead.peek(Token![=]) && !ahead.peek(Token![==]) && !ahead.peek(Token![=>]))
            || (ahead.peek(Token![:]) && !ahead.peek(Token![::]))
    };
    let known = ["var", "val", "auto", "mut"];
    let name = match ahead.peek(syn::Ident) && known.iter().any(|word| first == word) {
        true => ahead.parse::<Ident>().ok()?,
        false => first,
    };
    if !declares(&ahead) {
        return None;
    }
    let assigns = ahead.peek(Token![=]);
    if ahead.parse::<Option<Token![:]>>().ok()?.is_some() {
        let typed = ahead.fork();
        if typed.parse::<Type>().is_err() || !typed.peek(Token![=]) {
            // Otherwise it is a field in a list of them.
            typed_action(&ahead)?;
        }
    }
    let error = Error::new_spanned(
        &name,
        format!("a node is declared with `let`: `let {name} = action {{ .. }};`"),
    );
    skip(input, true);
    Some(UnknownStatement { names: vec![name], error, assigns })
}

/// `action { .. }`
fn typed_action(ahead: ParseStream) -> Option<()> {
    ahead.call(Path::parse_mod_style).ok()?;
    ahead.peek(token::Brace).then_some(())
}

/// Skips the rest of the statement; in a list, up to the comma.
fn skip(input: ParseStream, list: bool) {
    let mut first = true;
    while !input.is_empty() && (first || !input.peek(Token![let])) {
        let end = input.peek(Token![;]) || (list && input.peek(Token![,]));
        let block = input.peek(token::Brace);
        if input.parse::<TokenTree>().is_err() || end {
            return;
        }
        first = false;
        if block && starts_statement(input) && !input.peek(Token![else]) {
            return;
        }
    }
}

/// Skips the `let name =` in front of `parallel { .. }`, which has no value.
pub(crate) fn named_parallel(input: ParseStream) -> Option<Error> {
    let ahead = input.fork();
    ahead.parse::<Token![let]>().ok()?;
    let name = ahead.parse::<Ident>().ok()?;
    ahead.parse::<Token![=]>().ok()?;
    if !is_parallel(&ahead) {
        return None;
    }
    for _ in 0..3 {
        input.parse::<TokenTree>().ok()?;
    }
    let message =
        "`parallel` has no value: name the nodes inside, and write just `parallel { .. }`";
    Some(Error::new_spanned(name, message))
}
