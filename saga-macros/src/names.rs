//! Which nodes and parameters an expression names, as Rust scopes names.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{
    Arm, BinOp, Block, Expr, ExprAsync, ExprClosure, ExprForLoop, ExprIf, ExprLet, ExprPath,
    ExprWhile, FieldValue, Item, Lit, LitStr, Local, Macro, Member, Pat, PatIdent, Stmt, Token,
};

mod format;

/// What is named, in the order of appearance.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) free: Vec<Mention>,
    /// Names that cannot be replaced where they stand: field shorthands, tokens of a macro, names that
    /// a pattern somewhere binds again.
    pub(crate) fixed: BTreeSet<String>,
    /// `.await`, `?`, `return` and `break` that would leave the expression.
    pub(crate) exits: Vec<Span>,
    scopes: Vec<BTreeSet<String>>,
    /// Inside a macro call.
    in_macro: bool,
    /// How many closures and async blocks surround this place.
    bodies: usize,
    /// How many loops and labelled blocks do, inside the innermost of those.
    loops: usize,
}

/// One name, once.
pub(crate) struct Mention {
    pub(crate) name: Ident,
    /// False if it stands in a macro that may mean anything by it.
    pub(crate) certain: bool,
}

impl Names {
    pub(crate) fn of_expr(expr: &Expr) -> Self {
        let mut names = Self::default();
        names.visit_expr(expr);
        names
    }

    pub(crate) fn of_field(field: &FieldValue) -> Self {
        let mut names = Self::default();
        names.visit_field_value(field);
        names
    }

    /// A condition, whose `let` bind in what follows.
    pub(crate) fn condition(&mut self, condition: &Expr) {
        self.scope(|names| names.visit_expr(condition));
    }

    /// A pattern and what must hold beside it.
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

    /// An item hides its name in all of its block.
    fn item(&mut self, item: &Item) {
        let name = match item {
            Item::Fn(item) => &item.sig.ident,
            Item::Const(item) => &item.ident,
            Item::Static(item) => &item.ident,
            _ => return,
        };
        self.bind(name);
    }

    fn bind(&mut self, name: &Ident) {
        self.fixed.insert(name.to_string());
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_string());
        }
    }

    /// Every identifier that may be a variable, in a macro of which nothing is known.
    fn scan(&mut self, tokens: TokenStream) {
        let mut after_dot = false;
        for token in tokens {
            let dot = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '.');
            match token {
                TokenTree::Ident(name) if !after_dot => self.mention(&name, false),
                TokenTree::Group(group) => self.scan(group.stream()),
                TokenTree::Literal(literal) => {
                    if let Lit::Str(text) = Lit::new(literal) {
                        self.format(&text, &BTreeSet::new(), false);
                    }
                }
                _ => {}
            }
            after_dot = dot;
        }
    }

    /// A format string, beside which these names are given.
    fn format(&mut self, text: &LitStr, given: &BTreeSet<String>, certain: bool) {
        for name in format::placeholders(text) {
            if !given.contains(&name.unraw().to_string()) {
                self.mention(&name, certain);
            }
        }
    }

    /// A macro whose arguments are expressions, among them format strings and `name = value`.
    fn arguments(&mut self, arguments: &Punctuated<Expr, Token![,]>) {
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

/// Macros of the standard library whose arguments are expressions.
const PLAIN_MACROS: &[&str] = &[
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

    // an item inside an expression sees no variables
    fn visit_item(&mut self, _: &'ast Item) {}
}

/// The arguments of `matches!`
fn case_of(input: ParseStream) -> syn::Result<(Expr, Pat, Option<Expr>)> {
    let on = input.parse()?;
    input.parse::<Token![,]>()?;
    let pat = input.call(Pat::parse_multi_with_leading_vert)?;
    let guard = input.parse::<Option<Token![if]>>()?.map(|_| input.parse()).transpose()?;
    input.parse::<Option<Token![,]>>()?;
    Ok((on, pat, guard))
}

/// The variables that a pattern binds. What looks like a constant or a variant is none.
pub(crate) fn variables_of(pat: &Pat) -> Vec<Ident> {
    let mut variables = Variables(Vec::new());
    variables.visit_pat(pat);
    variables.0
}

/// Those that the `let` of a condition bind.
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

struct Variables(Vec<Ident>);

impl<'ast> Visit<'ast> for Variables {
    fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
        let text = pattern.ident.unraw().to_string();
        let variant = text.trim_start_matches('_').starts_with(char::is_uppercase);
        if !variant && !self.0.contains(&pattern.ident) {
            self.0.push(pattern.ident.clone());
        }
        visit::visit_pat_ident(self, pattern);
    }

    fn visit_expr(&mut self, _: &'ast Expr) {}
}

/// Replaces names by what reads them.
pub(crate) struct Read<'a> {
    pub(crate) names: &'a BTreeSet<String>,
    pub(crate) cx: &'a Ident,
}

impl VisitMut for Read<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        if let Expr::Path(path) = expr
            && path.qself.is_none()
            && let Some(name) = path.path.get_ident()
            && self.names.contains(&name.to_string())
        {
            *expr = Expr::Verbatim(read(name, self.cx));
            return;
        }
        visit_mut::visit_expr_mut(self, expr);
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

/// `name.get(cx)`, which is at the place of `name` for all messages.
pub(crate) fn read(name: &Ident, cx: &Ident) -> TokenStream {
    let mut arguments = Group::new(Delimiter::Parenthesis, cx.to_token_stream());
    arguments.set_span(name.span());
    let get = Ident::new("get", Span::mixed_site());
    quote!(#name.#get #arguments)
}
