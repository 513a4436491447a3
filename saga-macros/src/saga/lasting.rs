//! Which inputs borrow from nothing but nodes and parameters, and so need no `async` block that keeps what
//! they borrow from. Most are so, and rustc checks a call that stands alone in a third of the time.

use syn::{Expr, ExprLit, Lit, UnOp};

use super::ast::Call;
use super::wiring::Wiring;

/// True if all inputs do. An expression about which nothing is known does not.
pub(super) fn lasts(call: &Call, wiring: &Wiring) -> bool {
    // variables of the patterns around it live in its closure
    wiring.levels.is_empty() && call.inputs.iter().all(|input| value(&input.expr, wiring))
}

fn value(expr: &Expr, wiring: &Wiring) -> bool {
    let value = |expr| value(expr, wiring);
    match expr {
        Expr::Lit(_) | Expr::Path(_) => true,
        Expr::Paren(paren) => value(&paren.expr),
        Expr::Group(group) => value(&group.expr),
        Expr::Cast(cast) => value(&cast.expr),
        Expr::Unary(unary) => value(&unary.expr),
        Expr::Binary(binary) => value(&binary.left) && value(&binary.right),
        Expr::Tuple(tuple) => tuple.elems.iter().all(value),
        Expr::Array(array) => array.elems.iter().all(value),
        Expr::Struct(literal) => {
            literal.rest.is_none() && literal.fields.iter().all(|field| value(&field.expr))
        }
        Expr::Call(call) => value(&call.func) && call.args.iter().all(value),
        Expr::MethodCall(call) => receiver(&call.receiver, wiring) && call.args.iter().all(value),
        Expr::Reference(reference) => place(&reference.expr, wiring),
        Expr::Field(_) | Expr::Index(_) => place(expr, wiring),
        _ => false,
    }
}

/// What a method is called on, and may borrow from.
fn receiver(expr: &Expr, wiring: &Wiring) -> bool {
    let text = matches!(expr, Expr::Lit(ExprLit { lit: Lit::Str(_), .. }));
    text || read(expr, wiring) || place(expr, wiring)
}

/// A part of what is read.
fn place(expr: &Expr, wiring: &Wiring) -> bool {
    let within = |expr| read(expr, wiring) || place(expr, wiring);
    match expr {
        Expr::Paren(paren) => place(&paren.expr, wiring),
        Expr::Field(field) => within(&field.base),
        Expr::Index(index) => within(&index.expr) && value(&index.index, wiring),
        Expr::Unary(unary) => matches!(unary.op, UnOp::Deref(_)) && within(&unary.expr),
        _ => false,
    }
}

/// A node or parameter, which is read by reference.
fn read(expr: &Expr, wiring: &Wiring) -> bool {
    let Expr::Path(path) = expr else { return false };
    path.path.get_ident().is_some_and(|name| {
        wiring.inside.contains(&name.to_string()) || wiring.ahead.contains(name)
    })
}
