//! What the text of an expression shows, without types.

use syn::{Expr, Stmt, UnOp};

/// Without braces that hold nothing but an expression.
pub(crate) fn unwrapped(expr: &Expr) -> &Expr {
    match expr {
        Expr::Block(block) if block.attrs.is_empty() && block.label.is_none() => {
            match block.block.stmts.as_slice() {
                [Stmt::Expr(expr, None)] => expr,
                _ => expr,
            }
        }
        expr => expr,
    }
}

/// True if a `const` of Rust can have this value, by its text alone.
pub(crate) fn is_constant(value: &Expr) -> bool {
    match value {
        Expr::Lit(_) | Expr::Path(_) => true,
        Expr::Paren(paren) => is_constant(&paren.expr),
        Expr::Group(group) => is_constant(&group.expr),
        Expr::Cast(cast) => is_constant(&cast.expr),
        Expr::Unary(unary) => !matches!(unary.op, UnOp::Deref(_)) && is_constant(&unary.expr),
        Expr::Binary(binary) => is_constant(&binary.left) && is_constant(&binary.right),
        Expr::Tuple(tuple) => tuple.elems.iter().all(is_constant),
        Expr::Array(array) => array.elems.iter().all(is_constant),
        _ => false,
    }
}
