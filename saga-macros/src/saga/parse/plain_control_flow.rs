//! Recognizes `if` and `match` over plain values: they are expressions, and not nodes that run something in
//! their arms.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Block, Error, Expr, Stmt};

/// Refuses an `if` or `match` in whose arms nothing runs.
pub(crate) fn check(input: ParseStream) -> syn::Result<()> {
    let ahead = input.fork();
    let keyword = ahead.fork().call(Ident::parse_any)?;
    let Ok(construct) = ahead.call(Expr::parse_without_eager_brace) else { return Ok(()) };
    let mut values = Vec::new();
    arms(&construct, &mut values);
    let plain = values.contains(&Value::Plain) && !values.contains(&Value::Node);
    if !plain {
        return Ok(());
    }
    let message = format!(
        "an `{keyword}` over plain values is an expression: put it in braces, `{{ {keyword} .. }}`"
    )
    .replacen("an `match`", "a `match`", 1);
    Err(Error::new(keyword.span(), message))
}

/// What an arm evaluates to.
#[derive(PartialEq)]
enum Value {
    Plain,
    Node,
    /// A name may be either, and so may an arm that ends early.
    Unknown,
}

fn arms(construct: &Expr, values: &mut Vec<Value>) {
    match construct {
        Expr::If(branch) => {
            block(&branch.then_branch, values);
            match branch.else_branch.as_ref().map(|(_, other)| &**other) {
                Some(Expr::Block(other)) => block(&other.block, values),
                Some(other) => arms(other, values),
                None => {}
            }
        }
        Expr::Match(choice) => {
            for arm in &choice.arms {
                match &*arm.body {
                    Expr::Block(body) => block(&body.block, values),
                    body => value(body, values),
                }
            }
        }
        _ => {}
    }
}

fn block(block: &Block, values: &mut Vec<Value>) {
    match block.stmts.last() {
        Some(Stmt::Expr(last, None)) => value(last, values),
        Some(Stmt::Macro(last)) if last.semi_token.is_none() => values.push(Value::Plain),
        Some(_) => values.push(Value::Node),
        None => values.push(Value::Unknown),
    }
}

fn value(expr: &Expr, values: &mut Vec<Value>) {
    values.push(match expr {
        Expr::If(_) | Expr::Match(_) => return arms(expr, values),
        Expr::Struct(_) | Expr::Block(_) | Expr::ForLoop(_) => Value::Node,
        Expr::Path(_) | Expr::Return(_) | Expr::Break(_) | Expr::Continue(_) => Value::Unknown,
        _ => Value::Plain,
    });
}
