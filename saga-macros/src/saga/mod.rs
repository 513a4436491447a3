//! `saga!`: reads sagas (`parse`), finds what rustc cannot find (`resolve`), and writes the code (`expand`).

mod ast;
mod attributes;
mod expand;
mod expressions;
mod node_options;
mod order;
mod parse;
mod resolve;

use self::ast::Saga;
use proc_macro2::{TokenStream, TokenTree};
use syn::parse::{ParseStream, Parser};

use crate::cfg_combinations::{Combination, Conditions};
use crate::errors::Errors;

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let input = parse::finish_trailing_dots(input.clone()).unwrap_or(input);
    let mut output = TokenStream::new();
    let parsed = (|input: ParseStream| {
        while !input.is_empty() {
            let start = input.fork();
            let mut errors = Errors::default();
            let saga = parse::saga(input, &mut errors);
            let mut tokens = TokenStream::new();
            while start.cursor() != input.cursor() {
                tokens.extend([start.parse::<TokenTree>()?]);
            }
            let combinations = conditions(saga.as_ref(), &tokens).combinations();
            output.extend(match errors.ok(combinations) {
                Some(combinations) if combinations.len() > 1 => {
                    for_each_combination(combinations, &tokens)?
                }
                Some(_) | None => written(saga, errors),
            });
        }
        Ok(())
    })
    .parse2(input);
    if let Err(error) = parsed {
        let mut errors = Errors::default();
        errors.push(error);
        output.extend(errors.emit());
    }
    output
}

fn written(saga: Option<Saga>, mut errors: Errors) -> TokenStream {
    let Some(saga) = saga else { return errors.emit() };
    let (wired, compared) = resolve::resolve(&saga, &mut errors);
    expand::expand(&saga, &wired, compared, errors)
}

/// The conditions on which parameters and attributes of a saga depend.
fn conditions(saga: Option<&Saga>, tokens: &TokenStream) -> Conditions {
    let mut conditions = Conditions::default();
    let params = |saga: &Saga, conditions: &mut Conditions| {
        saga.head.params.iter().for_each(|param| conditions.add_all(&param.attrs));
    };
    conditions.add_attributes(tokens.clone());
    if conditions.is_empty() {
        saga.into_iter().for_each(|saga| params(saga, &mut conditions));
        return conditions;
    }
    // A `#[cfg_attr]` may expand to a `#[cfg]`.
    let all = |input: ParseStream| Ok(parse::saga(input, &mut Errors::default()));
    let saga = all.parse2(Combination::default().apply(tokens.clone())).ok().flatten();
    saga.iter().for_each(|saga| params(saga, &mut conditions));
    conditions
}

/// Writes the saga of these tokens once for each combination.
fn for_each_combination(
    combinations: Vec<Combination>,
    tokens: &TokenStream,
) -> syn::Result<TokenStream> {
    let mut output = TokenStream::new();
    for combination in combinations {
        let mut errors = Errors::default();
        let saga = |input: ParseStream| Ok(parse::saga(input, &mut errors));
        let mut saga = saga.parse2(combination.apply(tokens.clone()))?;
        if let Some(Saga { head, .. }) = &mut saga {
            head.params.retain(|param| combination.keeps(&param.attrs));
            head.attrs.insert(0, combination.gate());
        }
        output.extend(written(saga, errors));
    }
    Ok(output)
}
