//! Values that are written to the log and must not borrow. If their text shows that they do, that is reported
//! here: about a `&'static str`, rustc says only that an implementation is not general enough.

use syn::{Error, Expr, ExprLit, Lit, Type};

use crate::saga::expressions::unwrapped;

/// Why this value, of this type if one is written, cannot be stored.
pub(crate) fn borrowed(ty: Option<&Type>, value: &Expr) -> Option<Error> {
    let message = "this is kept in the saga log, so it cannot borrow";
    match (ty, unwrapped(value)) {
        (Some(Type::Reference(ty)), _) => {
            let message = format!("{message}: use an owned type, such as `String` or `Vec<_>`");
            Some(Error::new_spanned(ty, message))
        }
        (None, Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => {
            let message = format!("{message}: write `{}.to_string()`", text.token());
            Some(Error::new_spanned(text, message))
        }
        (None, Expr::MethodCall(call)) if BORROW.iter().any(|name| call.method == name) => {
            let message =
                format!("{message}: `{}` borrows, so make an owned value of it", call.method);
            Some(Error::new_spanned(&call.method, message))
        }
        _ => None,
    }
}

/// Methods that borrow from their receiver, whatever its type.
const BORROW: &[&str] = &["as_str", "as_bytes", "as_slice", "as_path", "as_deref"];
