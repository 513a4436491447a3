//! Reads declarations: `let` and `const`.

use proc_macro2::Ident;
use syn::parse::ParseStream;
use syn::{Error, Token, token};

use super::statement_end::finish;
use super::step::step;
use crate::errors::Errors;
use crate::saga::ast::{Node, NodeForm, Step};
use crate::saga::attributes::Attributes;

/// Reads `let name: Type = step;`.
pub(crate) fn node(
    input: ParseStream,
    attributes: Attributes,
    errors: &mut Errors,
) -> syn::Result<Node> {
    input.parse::<Token![let]>()?;
    if let Some(keyword) = input.parse::<Option<Token![mut]>>()? {
        errors.at(keyword, "a node's output never changes: remove `mut`");
    }
    let unnamed = input.parse::<Option<Token![_]>>()?;
    let named = input.peek(syn::Ident) && !input.peek2(token::Brace) && !input.peek2(token::Paren);
    if unnamed.is_none() && !named {
        return Err(input.error("a node has one name: `let name = action { .. };`"));
    }
    let name = match unnamed {
        Some(token) => Ident::new("value", token.span),
        None => input.parse::<Ident>()?,
    };
    let head = (|| {
        let ty = input.parse::<Option<Token![:]>>()?.map(|_| input.parse()).transpose()?;
        let equals = input.parse::<Option<Token![=]>>()?.ok_or_else(|| {
            let message = format!("say what node `{name}` runs: `let {name} = action {{ .. }};`");
            Error::new(name.span(), message)
        })?;
        if input.is_empty() || input.peek(Token![let]) || input.peek(Token![;]) {
            let message = "expected an action and its inputs after `=`: `action { .. };`";
            return Err(Error::new_spanned(equals, message));
        }
        Ok(ty)
    })();
    let (ty, mut step) = match head {
        Ok(ty) => (ty, step(input, errors)),
        Err(error) => (None, Step::Broken(error)),
    };
    finish(input, &mut step, errors);
    let form = if unnamed.is_some() { NodeForm::Numbered } else { NodeForm::Let };
    Ok(Node { attributes, name, form, ty, step })
}

/// Reads `const NAME: Type = expr;`.
pub(crate) fn constant(
    input: ParseStream,
    attributes: Attributes,
    errors: &mut Errors,
) -> syn::Result<Node> {
    input.parse::<Token![const]>()?;
    let name = input.parse::<Ident>()?;
    input.parse::<Token![:]>()?;
    let ty = Some(input.parse()?);
    input.parse::<Token![=]>()?;
    let mut step = match input.parse() {
        Ok(expr) => Step::Value(expr),
        Err(error) => Step::Broken(error),
    };
    finish(input, &mut step, errors);
    Ok(Node { attributes, name, form: NodeForm::Const, ty, step })
}
