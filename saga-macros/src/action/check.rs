//! Turns the function and the arguments into an action that can be expanded, and reports what rustc
//! would report badly or not at all.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::visit_mut::VisitMut;
use syn::{
    Attribute, FnArg, GenericParam, Generics, Lifetime, Pat, Path, ReturnType, Type, parse_quote,
    parse_quote_spanned,
};

use super::arguments::{Argument, Arguments, UndoInput};
use super::context::{Context, context, is_context, is_context_name, misplaced};
use super::function::Function;
use super::lifetimes::Elide;
use super::return_type::{Returned, is_unsized, last_segment, returned, types};
use super::transaction::{self, Transaction};
use crate::arguments::Word;
use crate::errors::{Errors, as_text, did_you_mean, list};

pub(crate) struct Action {
    pub(crate) function: Function,
    /// Its lifetimes.
    pub(crate) generics: Generics,
    pub(crate) args: Arguments,
    pub(crate) krate: Path,
    pub(crate) durable_name: String,
    pub(crate) context: Option<Context>,
    /// The transaction that it takes, if it is one.
    pub(crate) transaction: Option<Transaction>,
    pub(crate) inputs: Vec<Input>,
    /// An `'a` for omitted lifetimes.
    pub(crate) elided: Option<Lifetime>,
    pub(crate) output: Returned,
    pub(crate) error: Returned,
    /// False if a call of the function would only repeat errors that are reported already.
    pub(crate) callable: bool,
    /// False if there is no undo that can be called.
    pub(crate) undoable: bool,
    /// False if there is no probe that can be called.
    pub(crate) probed: bool,
}

pub(crate) struct Input {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
}

/// The error for a method: there can be no struct beside it.
pub(crate) fn receiver(function: &Function) -> Option<syn::Error> {
    let this = function.sig.receiver()?;
    let message =
        "an action cannot be a method: write a function without `self`, outside of `impl` blocks";
    Some(syn::Error::new_spanned(this, message))
}

pub(crate) fn check(mut function: Function, args: Arguments, errors: &mut Errors) -> Action {
    let mut generics =
        if generic(&function) { Generics::default() } else { function.sig.generics.clone() };
    let krate = args.krate.clone().unwrap_or_else(|| parse_quote!(::saga_core));
    let name = function.sig.ident.clone();
    let before = errors.count();
    let is_transaction = args.given(Argument::Transaction).is_some();
    signature(&mut function, is_transaction, errors);
    let taken = match is_transaction {
        true => transaction::transaction(&function, errors),
        false => transaction::undeclared(&function, errors),
    };
    let mut elide = Elide::new(&function);
    let place = taken.as_ref().map(|taken| taken.place);
    let (context, inputs) = parameters(&function, place, &mut elide, errors);
    let mut undoable = true;
    if is_transaction {
        inputs.iter().for_each(|input| transaction::input(input, errors));
        transaction::lifetimes_of_inputs(&mut generics, &inputs);
        undoable = transaction::contradictions(&args, errors);
    }
    let (output, error) = returned(&function, &krate, errors);
    let callable = errors.count() == before && !is_reported_by_rustc(&function, place, &inputs);
    let undoable = undo(&name, &args, context.is_some(), &inputs, errors) && undoable;
    let transaction = taken.and_then(|taken| taken.transaction);
    let undoable = undoable && !generic(&function) && transaction.is_some() == is_transaction;
    let probed = args.probe.is_some() && callable && transaction.is_none() && !is_transaction;
    let durable_name = args.name.as_ref().map_or_else(|| name.unraw().to_string(), |n| n.value());
    let elided = elide.used.then_some(elide.lifetime);
    Action {
        function,
        generics,
        args,
        krate,
        durable_name,
        context,
        transaction,
        inputs,
        elided,
        output,
        error,
        callable,
        undoable,
        probed,
    }
}

fn signature(function: &mut Function, is_transaction: bool, errors: &mut Errors) {
    let sig = &mut function.sig;
    if sig.asyncness.is_none() && !is_transaction {
        errors.at(sig.fn_token, format!("action `{0}` must be async: `async fn {0}`", sig.ident));
        // This keeps an `.await` in the body from being reported as well.
        sig.asyncness = Some(syn::token::Async(sig.fn_token.span));
    }
    let again = |attr: &mut Attribute| {
        attr.path().segments.last().is_some_and(|last| last.ident == "saga_action")
    };
    for attr in function.attrs.extract_if(.., again) {
        let message = format!("`{}` is already an action: it takes the attribute once", sig.ident);
        errors.at(attr.path(), message);
    }
    for param in &mut sig.inputs {
        if let FnArg::Typed(param) = param
            && is_unsized(&param.ty)
        {
            let ty = as_text(&param.ty);
            errors.at(
                &param.ty,
                format!("an input must have a known size: take a reference, `&{ty}`"),
            );
            // rustc would report it in the body as well.
            let ty = &param.ty;
            *param.ty = parse_quote_spanned!(ty.span()=> &#ty);
        }
    }
    for param in &sig.generics.params {
        if !matches!(param, GenericParam::Lifetime(_)) {
            let why = "its name in the saga log must stand for one piece of code";
            errors.at(param, format!("action `{}` cannot be generic: {why}", sig.ident));
        }
    }
}

fn parameters(
    function: &Function,
    transaction: Option<usize>,
    elide: &mut Elide,
    errors: &mut Errors,
) -> (Option<Context>, Vec<Input>) {
    let mut context = None;
    let mut inputs = Vec::new();
    for (i, param) in function.sig.inputs.iter().enumerate() {
        let param = match param {
            FnArg::Typed(param) => param,
            // It is reported by `receiver`.
            FnArg::Receiver(_) => continue,
        };
        if transaction == Some(i) {
            continue;
        }
        if let Some(found) = self::context(param, context.is_none()) {
            misplaced(function, param, i, context.is_some(), errors);
            // A misplaced context counts too, since the undo takes one. That of a generic action may be
            // unknown.
            if !generic(function) {
                context.get_or_insert(found);
            }
            continue;
        }
        let name = match &*param.pat {
            Pat::Ident(pat) if pat.subpat.is_none() && pat.by_ref.is_none() => pat.ident.clone(),
            pattern => {
                let message = "give this parameter a plain name: sagas pass inputs by name";
                errors.at(pattern, message);
                continue;
            }
        };
        let mut ty = (*param.ty).clone();
        match &ty {
            Type::ImplTrait(_) => {
                errors.at(&ty, "an action cannot be generic: name the type of this parameter");
                continue;
            }
            Type::Reference(reference) if reference.mutability.is_some() => {
                let message = "inputs are shared with other nodes: take `&` or an owned value";
                errors.at(&ty, message);
                continue;
            }
            _ => {}
        }
        // rustc reports these at the function.
        if generic(function) || inputs.iter().any(|input: &Input| input.name == name) {
            continue;
        }
        elide.visit_type_mut(&mut ty);
        inputs.push(Input { name, ty });
    }
    (context, inputs)
}

/// True for a signature that rustc reports itself: a name is used twice, or an output has no known size.
fn is_reported_by_rustc(function: &Function, transaction: Option<usize>, inputs: &[Input]) -> bool {
    let named = function.sig.inputs.iter().enumerate();
    let named = named.filter(|(i, param)| transaction != Some(*i) && !is_context(param));
    let returned = match &function.sig.output {
        ReturnType::Type(_, ty) => last_segment(ty).map(|last| &last.arguments),
        ReturnType::Default => None,
    };
    named.count() != inputs.len() || returned.into_iter().flat_map(types).any(is_unsized)
}

/// True for a function with type or const parameters, which are reported separately.
pub(crate) fn generic(function: &Function) -> bool {
    function.sig.generics.params.iter().any(|param| !matches!(param, GenericParam::Lifetime(_)))
}

/// Checks the undo contract; false if there is no undo that can be called.
fn undo(
    name: &Ident,
    args: &Arguments,
    context: bool,
    inputs: &[Input],
    errors: &mut Errors,
) -> bool {
    let Some(undo) = &args.undo else {
        if args.no_undo.is_some() {
            for argument in Argument::ALL.iter().filter(|argument| argument.is_about_undo()) {
                if let Some(given) = args.given(*argument) {
                    errors.at(
                        given,
                        format!("`{given}` without an undo: this action says `no_undo`"),
                    );
                }
            }
        } else if !args.incomplete {
            errors.at(name, format!(
                "action `{name}` does not say how it is undone\n\
                 \x20 `#[saga_action(undo = f(output))]`: the function `f` compensates what the action did\n\
                 \x20 `#[saga_action(undo = f(output?))]`: the same, where `f` gets `None` if the output is not known\n\
                 \x20 `#[saga_action(no_undo)]`: the action has no effect, or one that cannot be undone"
            ));
        }
        return false;
    };
    if let Some(no_undo) = &args.no_undo {
        errors.at(&no_undo.keyword, "`undo` and `no_undo` contradict each other: leave one out");
        return false;
    }
    let needed = |input: &UndoInput| input.name == "output" && !input.maybe;
    if let Some(given) =
        args.given(Argument::UndoOnFailure).filter(|_| undo.inputs.iter().any(needed))
    {
        let message = "after a failure there is no output to pass to the undo: write `output?`, or remove \
                       `undo_on_failure`";
        errors.at(given, message);
    }
    let mut good = true;
    for input in &undo.inputs {
        if input.name == "output" {
            continue;
        }
        let wrong = input.name.to_string();
        if is_context_name(&input.name) && !inputs.iter().any(|known| known.name == input.name) {
            let others = undo.inputs.iter().filter(|other| other.name != input.name).map(|other| {
                let maybe = if other.maybe { "?" } else { "" };
                format!("{}{maybe}", other.name)
            });
            let call =
                format!("{}({})", as_text(&undo.path), others.collect::<Vec<_>>().join(", "));
            let message = match context {
                true => {
                    format!("an undo gets the context without naming it: `undo = {call}`")
                }
                false => format!(
                    "an undo takes the context if and only if its action does, and `{name}` does not"
                ),
            };
            errors.at(&input.name, message);
            good = false;
        } else if !inputs.iter().any(|known| known.name == input.name) {
            let known = inputs.iter().map(|i| i.name.to_string()).chain(["output".into()]);
            let known = known.collect::<Vec<_>>();
            let nearest = did_you_mean(&wrong, known.iter().map(String::as_str));
            let known = list(known.iter().map(String::as_str));
            errors.at(
                &input.name,
                format!(
                    "action `{name}` has no parameter `{wrong}`{nearest} (an undo may take {known})"
                ),
            );
            good = false;
        } else if input.maybe {
            let message = format!("only the output may be missing: write `{wrong}` without `?`");
            errors.at(&input.name, message);
            good = false;
        }
    }
    good
}
