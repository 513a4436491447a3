//! Turns the function and the arguments into an action that can be expanded, and reports what rustc
//! would report badly or not at all.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::visit_mut::VisitMut;
use syn::{
    FnArg, GenericArgument, GenericParam, Generics, Lifetime, Pat, PatType, Path, PathArguments,
    PathSegment, ReturnType, Type, parse_quote,
};

use super::args::{Args, UndoInput};
use super::lifetimes::Elide;
use super::parse::Function;
use crate::errors::{Errors, did_you_mean, list};

pub(super) struct Action {
    pub(super) function: Function,
    /// Its lifetimes.
    pub(super) generics: Generics,
    pub(super) args: Args,
    pub(super) krate: Path,
    pub(super) durable_name: String,
    pub(super) context: Option<Context>,
    pub(super) inputs: Vec<Input>,
    /// An `'a` for the lifetimes that are left out.
    pub(super) elided: Option<Lifetime>,
    pub(super) output: Returned,
    pub(super) error: Returned,
    /// False if a call of the function would only repeat what is reported already.
    pub(super) callable: bool,
    /// False if there is no undo that can be called.
    pub(super) undoable: bool,
}

/// What the user's context is called.
pub(super) enum Context {
    /// `&ActionContext<C>`: the `C`.
    Plain(Type),
    /// `cx: &Alias`: the `Alias`.
    Alias(Type),
}

pub(super) struct Input {
    pub(super) name: Ident,
    pub(super) ty: Type,
}

/// A type out of the function's `Result`, and where it is written.
pub(super) struct Returned {
    pub(super) ty: TokenStream,
    pub(super) span: Span,
}

/// The error for a method, beside which no struct could stand.
pub(super) fn receiver(function: &Function) -> Option<syn::Error> {
    let this = function.sig.receiver()?;
    let message = "an action is a function outside of `impl` blocks: it has no `self`";
    Some(syn::Error::new_spanned(this, message))
}

pub(super) fn check(mut function: Function, args: Args, errors: &mut Errors) -> Action {
    let generics =
        if generic(&function) { Generics::default() } else { function.sig.generics.clone() };
    let krate = args.krate.clone().unwrap_or_else(|| parse_quote!(::saga_core));
    let name = function.sig.ident.clone();
    let before = errors.count();
    signature(&mut function, errors);
    let mut elide = Elide::new(&function);
    let (context, inputs) = parameters(&function, &mut elide, errors);
    let (output, error) = returned(&function, &krate, errors);
    let callable = errors.count() == before;
    let undoable = undo(&name, &args, &inputs, errors);
    let durable_name = args.name.as_ref().map_or_else(|| name.unraw().to_string(), |n| n.value());
    let elided = elide.used.then_some(elide.lifetime);
    Action {
        function,
        generics,
        args,
        krate,
        durable_name,
        context,
        inputs,
        elided,
        output,
        error,
        callable,
        undoable,
    }
}

fn signature(function: &mut Function, errors: &mut Errors) {
    let sig = &mut function.sig;
    if sig.asyncness.is_none() {
        errors.at(sig.fn_token, format!("action `{0}` must be async: `async fn {0}`", sig.ident));
        // so that an `.await` in the body is not reported too
        sig.asyncness = Some(syn::token::Async(sig.fn_token.span));
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
    elide: &mut Elide,
    errors: &mut Errors,
) -> (Option<Context>, Vec<Input>) {
    let mut context = None;
    let mut inputs = Vec::new();
    for (i, param) in function.sig.inputs.iter().enumerate() {
        let param = match param {
            FnArg::Typed(param) => param,
            // reported by `receiver`
            FnArg::Receiver(_) => continue,
        };
        if let Some(found) = self::context(param, context.is_none()) {
            misplaced(function, param, i, context.is_some(), errors);
            // also where it is misplaced: the undo is given one
            context.get_or_insert(found);
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
        if generic(function) {
            continue;
        }
        elide.visit_type_mut(&mut ty);
        inputs.push(Input { name, ty });
    }
    (context, inputs)
}

/// The context, if this is one: by the type's name, or by its own if the type is an alias.
fn context(param: &PatType, none_yet: bool) -> Option<Context> {
    let (reference, inner) = match &*param.ty {
        Type::Reference(reference) => (true, &*reference.elem),
        ty => (false, ty),
    };
    if let Some(arguments) = context_arguments(inner) {
        return Some(match types(arguments).next() {
            Some(user) => Context::Plain(user.clone()),
            None => Context::Alias(inner.clone()),
        });
    }
    let called_cx =
        matches!(&*param.pat, Pat::Ident(pat) if pat.ident == "cx" || pat.ident == "_cx");
    (none_yet && reference && called_cx).then(|| Context::Alias(inner.clone()))
}

/// What `ActionContext<..>` is given, if the type is one by its name.
fn context_arguments(ty: &Type) -> Option<&PathArguments> {
    let Type::Path(path) = ty else { return None };
    path.path.segments.last().filter(|last| last.ident == "ActionContext").map(|l| &l.arguments)
}

/// Reports a context that does not stand where, or as, it must.
fn misplaced(function: &Function, param: &PatType, i: usize, second: bool, errors: &mut Errors) {
    let name = &function.sig.ident;
    if second {
        errors.at(param, format!("action `{name}` already has a context"));
    } else if i > 0 {
        errors
            .at(param, format!("the context comes first: make it the first parameter of `{name}`"));
    } else if context_arguments(&param.ty).is_some() {
        let text = param.ty.to_token_stream().to_string().replace(' ', "");
        errors.at(&param.ty, format!("an action borrows its context: `&{text}`"));
    }
}

fn types(arguments: &PathArguments) -> impl Iterator<Item = &Type> {
    let arguments = match arguments {
        PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        _ => None,
    };
    arguments.into_iter().flatten().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// Output and error: as written where the type is a `Result<..>`, else by projection out of an alias.
fn returned(function: &Function, krate: &Path, errors: &mut Errors) -> (Returned, Returned) {
    let sig = &function.sig;
    let unknown = |span| {
        let error = Returned { ty: quote_spanned!(span=> ::std::string::String), span };
        (Returned { ty: quote_spanned!(span=> ()), span }, error)
    };
    if generic(function) {
        return unknown(sig.ident.span());
    }
    let ty = match &sig.output {
        ReturnType::Type(_, ty) => &**ty,
        ReturnType::Default => {
            let message = format!("action `{}` must return a `Result<Output, Error>`", sig.ident);
            errors.at(&sig.ident, message);
            return unknown(sig.ident.span());
        }
    };
    let last = match ty {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    };
    let named = |last: &&PathSegment| last.ident.to_string().ends_with("Result");
    let Some(last) = last.filter(named) else {
        let text = ty.to_token_stream().to_string();
        let hint = match text.starts_with(char::is_uppercase) {
            true => " (an alias of `Result` has a name that ends in `Result`)",
            false => "",
        };
        let message = format!(
            "action `{}` must return a `Result<{text}, Error>`, not `{text}`{hint}",
            sig.ident
        );
        errors.at(ty, message);
        let (mut output, error) = unknown(ty.span());
        if matches!(ty, Type::Path(_)) {
            // what was meant, for the undo and for sagas
            output.ty = ty.to_token_stream();
        }
        return (output, error);
    };
    let mut written = (last.ident == "Result").then(|| types(&last.arguments));
    let mut part = |projection: TokenStream| match written.as_mut().and_then(Iterator::next) {
        Some(ty) => {
            let mut ty = ty.clone();
            if let Type::Reference(reference) = &ty
                && reference.lifetime.as_ref().is_none_or(|lifetime| lifetime.ident != "static")
            {
                errors.at(
                    &ty,
                    "this is kept in the saga log, so it cannot borrow: return an owned value",
                );
                ty = parse_quote!(());
            }
            Returned { span: ty.span(), ty: ty.into_token_stream() }
        }
        None => Returned { ty: projection, span: ty.span() },
    };
    let returned = quote!(#krate::bounds::ActionReturn);
    let output = part(quote_spanned!(ty.span()=> <#ty as #returned>::Ok));
    (output, part(quote_spanned!(ty.span()=> <#ty as #returned>::Err)))
}

/// True for a function with type or const parameters, which are reported.
fn generic(function: &Function) -> bool {
    function.sig.generics.params.iter().any(|param| !matches!(param, GenericParam::Lifetime(_)))
}

/// Checks the undo contract; false if there is nothing that could be called.
fn undo(name: &Ident, args: &Args, inputs: &[Input], errors: &mut Errors) -> bool {
    let Some(undo) = &args.undo else {
        if args.no_undo.is_some() {
            for argument in ["undo_on_failure", "undo_retry", "undo_timeout"] {
                if let Some(given) = args.given(argument) {
                    errors.at(
                        given,
                        format!("`{argument}` without an undo: this action says `no_undo`"),
                    );
                }
            }
        } else if !args.incomplete {
            errors.at(name, format!(
                "action `{name}` does not say how it is undone\n\
                 \x20 `#[saga_action(undo = f(output))]`: the function `f` takes back what the action did\n\
                 \x20 `#[saga_action(no_undo)]`: the action has no effect worth undoing"
            ));
        }
        return false;
    };
    if let Some(no_undo) = &args.no_undo {
        errors.at(&no_undo.keyword, "`undo` and `no_undo` contradict each other: leave one out");
        return false;
    }
    let needed = |input: &UndoInput| input.name == "output" && !input.maybe;
    if let Some(given) = args.given("undo_on_failure").filter(|_| undo.inputs.iter().any(needed)) {
        let message = "after a failure there is no output to give to the undo: write `output?`, or leave \
                       `undo_on_failure` out";
        errors.at(given, message);
    }
    let mut good = true;
    for input in &undo.inputs {
        if input.name == "output" {
            continue;
        }
        let wrong = input.name.to_string();
        if !inputs.iter().any(|known| known.name == input.name) {
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
