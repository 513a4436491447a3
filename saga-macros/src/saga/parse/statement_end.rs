//! Reads the end of a statement.

use proc_macro2::TokenTree;
use quote::{ToTokens, quote};
use syn::parse::ParseStream;
use syn::{Error, Expr, Token};

use super::error_recovery::{construct, never, skip_construct, skip_statement, starts_statement};
use crate::errors::Errors;
use crate::saga::ast::Step;

/// True before an operator or a field, as if the step had a value.
fn follows_value(input: ParseStream) -> bool {
    let operator = input.peek(Token![+]) || input.peek(Token![-]) || input.peek(Token![/]);
    let field = input.peek(Token![.]) && !input.peek2(Token![await]);
    field || operator || input.peek(Token![==]) || input.peek(Token![as])
}

/// Reads up to the end of a statement whose step was read.
pub(crate) fn finish(input: ParseStream, step: &mut Step, errors: &mut Errors) {
    if let Step::Broken(error) = &*step {
        errors.push(error.clone());
        if construct(input).is_some() || never(input).is_some() {
            skip_construct(input);
        } else if !starts_statement(input) {
            skip_statement(input);
        }
        return;
    }
    let here = input.cursor().span();
    if follows_value(input) {
        let message = "a node is just its action: put what follows where its output is read, or in a computed \
                       node, `let other = { .. };`";
        let error = input.error(message);
        errors.push(error.clone());
        *step = Step::Broken(error);
        skip_statement(input);
        return;
    }
    if input.peek(Token![.]) || input.peek(Token![?]) {
        let message = "not needed here: the coordinator awaits each node and handles its error";
        let exit = input.parse::<TokenTree>().map(ToTokens::into_token_stream).unwrap_or_default();
        let keyword = input.parse::<Option<Token![await]>>().ok().flatten();
        errors.at(quote!(#exit #keyword), message);
        skip_statement(input);
        return;
    }
    if input.parse::<Option<Token![;]>>().is_ok_and(|semi| semi.is_some()) {
        return;
    }
    let end = match &*step {
        Step::Call(call) => call.brace.span.close(),
        Step::Value(Expr::Block(block)) => block.block.brace_token.span.close(),
        Step::For(for_loop) => for_loop.keyword,
        Step::Choice(choice) => choice.keyword,
        Step::Value(_) | Step::Broken(_) => here,
    };
    errors.push(Error::new(end, "expected `;` after this node"));
    if !starts_statement(input) {
        skip_statement(input);
    }
}
