//! Which nodes and parameters an expression names, by Rust's rules of scope.

use std::collections::BTreeSet;
use std::rc::Rc;

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{
    Arm, Block, Expr, ExprAsync, ExprClosure, ExprForLoop, ExprIf, ExprLet, ExprPath, ExprWhile,
    FieldValue, Item, Local, Macro, Member, Pat, PatIdent, Stmt,
};

mod format_strings;
mod macro_calls;
mod pattern_variables;
mod replace;

use self::macro_calls::{PLAIN_MACROS, case_of};
pub(crate) use self::pattern_variables::{has_mut, is_capital, variables_in, variables_of};
pub(crate) use self::replace::{CompareConstants, ReadNames, read, real, real_holder};

/// The names in an expression.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) free: Vec<Mention>,
    /// Names that cannot be replaced where they are: field shorthands, tokens of a macro, and names that a
    /// pattern binds again somewhere.
    pub(crate) fixed: BTreeSet<String>,
    /// `.await`, `?`, `return` and `break` that would leave the expression.
    pub(crate) exits: Vec<Span>,
    /// Constants of the saga that patterns compare with.
    pub(crate) compared: Vec<Ident>,
    /// Names in a macro about which nothing is known, which may be patterns.
    pub(crate) scanned: BTreeSet<String>,
    /// Functions, constants and statics that are declared inside the expression.
    pub(crate) items: BTreeSet<String>,
    /// The constants of the saga.
    constants: Rc<BTreeSet<String>>,
    scopes: Vec<BTreeSet<String>>,
    /// True inside a macro call.
    in_macro: bool,
    /// How many closures and async blocks surround this place.
    bodies: usize,
    /// How many loops and labelled blocks surround it, inside the innermost of those.
    loops: usize,
}

/// A name, listed once however often it occurs.
pub(crate) struct Mention {
    pub(crate) name: Ident,
    /// False if it occurs only in macros that may mean anything by it.
    pub(crate) certain: bool,
}

impl Names {
    /// No names yet, in a saga with these constants.
    pub(crate) fn among(constants: Rc<BTreeSet<String>>) -> Self {
        Self { constants, ..Self::default() }
    }

    pub(crate) fn with_expr(mut self, expr: &Expr) -> Self {
        self.visit_expr(expr);
        self
    }

    pub(crate) fn with_field(mut self, field: &FieldValue) -> Self {
        self.visit_field_value(field);
        self
    }

    /// Adds a condition, whose `let`s bind in what follows.
    pub(crate) fn condition(&mut self, condition: &Expr) {
        self.scope(|names| names.visit_expr(condition));
    }

    /// Adds a pattern and its guard.
    pub(crate) fn case(&mut self, pat: &Pat, guard: Option<&Expr>) {
        self.scope(|names| {
            names.visit_pat(pat);
            if let Some(guard) = guard {
                names.visit_expr(guard);
            }
        });
    }

    pub(crate) fn expr(&mut self, expr: &Expr) {
        self.visit_expr(expr);
    }

    fn mention(&mut self, name: &Ident, certain: bool) {
        let text = name.to_string();
        if self.scopes.iter().any(|scope| scope.contains(&text)) {
            return;
        }
        if self.in_macro {
            self.fixed.insert(text);
        }
        match self.free.iter_mut().find(|known| known.name == *name) {
            Some(known) => known.certain |= certain,
            None => self.free.push(Mention { name: name.clone(), certain }),
        }
    }

    fn scope(&mut self, visit: impl FnOnce(&mut Self)) {
        self.scopes.push(BTreeSet::new());
        visit(self);
        self.scopes.pop();
    }

    fn body(&mut self, visit: impl FnOnce(&mut Self)) {
        let loops = std::mem::take(&mut self.loops);
        self.bodies += 1;
        self.scope(visit);
        self.bodies -= 1;
        self.loops = loops;
    }

    /// Notes an item, which hides its name in all of its block.
    fn item(&mut self, item: &Item) {
        let name = match item {
            Item::Fn(item) => &item.sig.ident,
            Item::Const(item) => &item.ident,
            Item::Static(item) => &item.ident,
            _ => return,
        };
        self.items.insert(name.to_string());
        self.bind(name);
    }

    /// True for a pattern that is a constant of the saga: as in Rust, it compares and binds nothing.
    fn compares(&self, pattern: &PatIdent) -> bool {
        let name = pattern.ident.to_string();
        let plain = pattern.by_ref.is_none() && pattern.mutability.is_none();
        plain
            && pattern.subpat.is_none()
            && self.constants.contains(&name)
            && !self.scopes.iter().any(|scope| scope.contains(&name))
    }

    fn bind(&mut self, name: &Ident) {
        self.fixed.insert(name.to_string());
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_string());
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_expr_path(&mut self, path: &'ast ExprPath) {
        if path.qself.is_none()
            && let Some(name) = path.path.get_ident()
        {
            self.mention(name, true);
        }
    }

    fn visit_field_value(&mut self, field: &'ast FieldValue) {
        if field.colon_token.is_none()
            && let Member::Named(name) = &field.member
        {
            self.fixed.insert(name.to_string());
        }
        visit::visit_field_value(self, field);
    }

    fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
        if self.compares(pattern) {
            self.compared.push(pattern.ident.clone());
            return;
        }
        self.bind(&pattern.ident);
        visit::visit_pat_ident(self, pattern);
    }

    fn visit_block(&mut self, block: &'ast Block) {
        self.scope(|names| {
            for stmt in &block.stmts {
                if let Stmt::Item(item) = stmt {
                    names.item(item);
                }
            }
            visit::visit_block(names, block);
        });
    }

    fn visit_local(&mut self, local: &'ast Local) {
        if let Some(init) = &local.init {
            self.visit_expr(&init.expr);
            if let Some((_, diverge)) = &init.diverge {
                self.visit_expr(diverge);
            }
        }
        self.visit_pat(&local.pat);
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        self.scope(|names| visit::visit_arm(names, arm));
    }

    fn visit_expr_let(&mut self, expr: &'ast ExprLet) {
        self.visit_expr(&expr.expr);
        self.visit_pat(&expr.pat);
    }

    fn visit_expr_if(&mut self, expr: &'ast ExprIf) {
        self.scope(|names| {
            names.visit_expr(&expr.cond);
            names.visit_block(&expr.then_branch);
        });
        if let Some((_, otherwise)) = &expr.else_branch {
            self.visit_expr(otherwise);
        }
    }

    fn visit_expr_while(&mut self, expr: &'ast ExprWhile) {
        self.scope(|names| visit::visit_expr_while(names, expr));
    }

    fn visit_expr_for_loop(&mut self, expr: &'ast ExprForLoop) {
        self.visit_expr(&expr.expr);
        self.scope(|names| {
            names.visit_pat(&expr.pat);
            names.visit_block(&expr.body);
        });
    }

    fn visit_expr_closure(&mut self, closure: &'ast ExprClosure) {
        self.body(|names| visit::visit_expr_closure(names, closure));
    }

    fn visit_expr_async(&mut self, block: &'ast ExprAsync) {
        self.body(|names| visit::visit_expr_async(names, block));
    }

    fn visit_expr(&mut self, expr: &'ast Expr) {
        match expr {
            Expr::Await(exit) if self.bodies == 0 => self.exits.push(exit.await_token.span),
            Expr::Try(exit) if self.bodies == 0 => self.exits.push(exit.question_token.span),
            Expr::Return(exit) if self.bodies == 0 => self.exits.push(exit.return_token.span),
            Expr::Break(exit) if self.bodies + self.loops == 0 => {
                self.exits.push(exit.break_token.span)
            }
            Expr::Continue(exit) if self.bodies + self.loops == 0 => {
                self.exits.push(exit.continue_token.span)
            }
            _ => {}
        }
        let inside = match expr {
            Expr::ForLoop(_) | Expr::While(_) | Expr::Loop(_) => 1,
            Expr::Block(block) if block.label.is_some() => 1,
            _ => 0,
        };
        self.loops += inside;
        visit::visit_expr(self, expr);
        self.loops -= inside;
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        let outer = std::mem::replace(&mut self.in_macro, true);
        let name = mac.path.segments.last().map(|last| last.ident.unraw().to_string());
        let name = name.as_deref().unwrap_or_default();
        if PLAIN_MACROS.contains(&name)
            && let Ok(arguments) = mac.parse_body_with(Punctuated::parse_terminated)
        {
            self.arguments(&arguments);
        } else if name == "matches"
            && let Ok((on, pat, guard)) = mac.parse_body_with(case_of)
        {
            self.visit_expr(&on);
            self.case(&pat, guard.as_ref());
        } else {
            self.scan(mac.tokens.clone());
        }
        self.in_macro = outer;
    }

    // An item inside an expression sees no variables.
    fn visit_item(&mut self, _: &'ast Item) {}
}
