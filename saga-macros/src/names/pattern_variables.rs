//! Which variables a pattern binds.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, Macro, Pat, PatIdent};

/// The variables that a pattern binds. Names that are written like a constant or a variant are among them,
/// because only rustc knows whether they are one; if so, the pattern compares, and the name means the same
/// afterwards.
pub(crate) fn variables_of(pat: &Pat) -> Vec<Ident> {
    let mut variables = Variables(Vec::new());
    variables.visit_pat(pat);
    variables.0
}

/// The variables that the `let`s of a condition bind.
pub(crate) fn variables_in(condition: &Expr) -> Vec<Ident> {
    match condition {
        Expr::Let(condition) => variables_of(&condition.pat),
        Expr::Binary(both) if matches!(both.op, BinOp::And(_)) => {
            let mut variables = variables_in(&both.left);
            variables.extend(variables_in(&both.right));
            variables
        }
        _ => Vec::new(),
    }
}

/// True if the name is written like a constant or a variant.
pub(crate) fn is_capital(name: &Ident) -> bool {
    name.unraw().to_string().trim_start_matches('_').starts_with(char::is_uppercase)
}

/// True if the pattern, or a pattern in the expression, has a `mut` variable.
pub(crate) fn has_mut(pat: Option<&Pat>, expr: Option<&Expr>) -> bool {
    let mut found = Mut(false);
    pat.into_iter().for_each(|pat| found.visit_pat(pat));
    expr.into_iter().for_each(|expr| found.visit_expr(expr));
    found.0
}

struct Mut(bool);

impl<'ast> Visit<'ast> for Mut {
    fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
        self.0 |= pattern.mutability.is_some();
        visit::visit_pat_ident(self, pattern);
    }
}

struct Variables(Vec<Ident>);

impl Variables {
    fn add(&mut self, name: &Ident) {
        if name != "None" && !self.0.contains(name) {
            self.0.push(name.clone());
        }
    }

    /// Adds what a macro in a pattern may bind.
    fn scan(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Ident(name) if syn::parse_str::<Ident>(&name.to_string()).is_ok() => {
                    self.add(&name);
                }
                TokenTree::Group(group) => self.scan(group.stream()),
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Variables {
    fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
        self.add(&pattern.ident);
        visit::visit_pat_ident(self, pattern);
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        self.scan(mac.tokens.clone());
    }

    fn visit_expr(&mut self, _: &'ast Expr) {}
}
