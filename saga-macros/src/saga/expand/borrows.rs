//! Which inputs borrow only from nodes and parameters, and therefore need no `async` block that keeps what
//! they borrow from. Most of them do, and rustc checks a call without such a block in a third of the time.

use syn::{Expr, ExprLit, Lit, UnOp};

use crate::saga::ast::Call;
use crate::saga::resolve::wiring::Wiring;

/// True if all inputs do. An expression of an unknown kind does not.
pub(crate) fn lasts(call: &Call, wiring: &Wiring) -> bool {
    // Variables of the patterns around it live in its closure.
    wiring.binders.is_empty()
        && call.rest.is_none()
        && call.inputs.iter().all(|input| value(&input.expr))
}

fn value(expr: &Expr) -> bool {
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
        Expr::MethodCall(call) => receiver(&call.receiver) && call.args.iter().all(value),
        Expr::Reference(reference) => place(&reference.expr),
        Expr::Field(_) | Expr::Index(_) => place(expr),
        _ => false,
    }
}

/// True for a receiver that a method may borrow from.
fn receiver(expr: &Expr) -> bool {
    matches!(expr, Expr::Lit(ExprLit { lit: Lit::Str(_), .. })) || read(expr) || place(expr)
}

/// True for a part of what is read.
fn place(expr: &Expr) -> bool {
    let within = |expr| read(expr) || place(expr);
    match expr {
        Expr::Paren(paren) => place(&paren.expr),
        Expr::Field(field) => within(&field.base),
        // Whatever the index is, the element is borrowed from the list.
        Expr::Index(index) => within(&index.expr),
        Expr::Unary(unary) => matches!(unary.op, UnOp::Deref(_)) && within(&unary.expr),
        _ => false,
    }
}

/// True for a node or parameter, which is read by reference, and for a name that is still being typed: an
/// editor compares both expansions, so they must not differ. A constant is not one, because its value may
/// live no longer than the expression.
fn read(expr: &Expr) -> bool {
    let Expr::Path(path) = expr else { return false };
    path.path.get_ident().is_some_and(|name| !name.to_string().starts_with(char::is_uppercase))
}
