//! Which names a macro call contains. The arguments of the standard library's macros are known, those of
//! others may be anything.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::visit::Visit;
use syn::{Expr, Lit, LitStr, Pat, Token};

use super::{Names, format_strings};

impl Names {
    /// Adds every identifier that may be a variable, in a macro about which nothing is known.
    pub(crate) fn scan(&mut self, tokens: TokenStream) {
        let tokens = tokens.into_iter().collect::<Vec<_>>();
        for (at, token) in tokens.iter().enumerate() {
            let (before, after) = (tokens.get(..at), tokens.get(at + 1..));
            match token {
                TokenTree::Ident(name) if may_be_variable(before, after) => {
                    self.scanned.insert(name.to_string());
                    self.mention(name, false);
                }
                TokenTree::Group(group) => self.scan(group.stream()),
                TokenTree::Literal(literal) => {
                    if let Lit::Str(text) = Lit::new(literal.clone()) {
                        self.format(&text, &BTreeSet::new(), false);
                    }
                }
                _ => {}
            }
        }
    }

    /// Adds the names in a format string, except those that are given as arguments.
    fn format(&mut self, text: &LitStr, given: &BTreeSet<String>, certain: bool) {
        for name in format_strings::placeholders(text) {
            if !given.contains(&name.unraw().to_string()) {
                self.mention(&name, certain);
            }
        }
    }

    /// Adds the names in a macro's arguments, which are expressions, among them format strings and `name =
    /// value`.
    pub(crate) fn arguments(&mut self, arguments: &Punctuated<Expr, Token![,]>) {
        let mut given = BTreeSet::new();
        for argument in arguments {
            if let Expr::Assign(named) = argument {
                given.insert(named.left.to_token_stream().to_string());
            }
        }
        for argument in arguments {
            match argument {
                Expr::Assign(named) => self.visit_expr(&named.right),
                Expr::Lit(literal) => {
                    if let Lit::Str(text) = &literal.lit {
                        self.format(text, &given, true);
                    }
                }
                other => self.visit_expr(other),
            }
        }
    }
}

/// True if an identifier between these tokens may be a variable: it is not a field or method, and not a
/// segment of a path, a key, a label, a lifetime or a macro.
fn may_be_variable(before: Option<&[TokenTree]>, after: Option<&[TokenTree]>) -> bool {
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    let mut back = before.iter().rev().map(punct);
    let mut ahead = after.iter().map(punct);
    let follows = match (back.next().flatten(), back.next().flatten()) {
        // `0..x` is a range, `a.x` a field.
        (Some('.'), before) => before == Some('.'),
        (Some(':'), before) => before != Some(':'),
        (Some('\''), _) => false,
        _ => true,
    };
    let leads = match (ahead.next().flatten(), ahead.next().flatten()) {
        // This is a key or a path.
        (Some(':'), _) => false,
        (Some('='), next) => matches!(next, Some('=' | '>')),
        (Some('!'), next) => next == Some('='),
        _ => true,
    };
    follows && leads
}

fn punct(token: &TokenTree) -> Option<char> {
    match token {
        TokenTree::Punct(punct) => Some(punct.as_char()),
        _ => None,
    }
}

/// Macros of the standard library whose arguments are expressions.
pub(crate) const PLAIN_MACROS: &[&str] = &[
    "assert",
    "assert_eq",
    "assert_ne",
    "concat",
    "dbg",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "eprint",
    "eprintln",
    "format",
    "format_args",
    "panic",
    "print",
    "println",
    "todo",
    "unimplemented",
    "unreachable",
    "vec",
    "write",
    "writeln",
];

/// The arguments of `matches!`
pub(crate) fn case_of(input: ParseStream) -> syn::Result<(Expr, Pat, Option<Expr>)> {
    let on = input.parse()?;
    input.parse::<Token![,]>()?;
    let pat = input.call(Pat::parse_multi_with_leading_vert)?;
    let guard = input.parse::<Option<Token![if]>>()?.map(|_| input.parse()).transpose()?;
    input.parse::<Option<Token![,]>>()?;
    Ok((on, pat, guard))
}
