//! `transaction`: an action whose only effect is a transaction of the database that keeps the log.

use proc_macro2::{Ident, Span};
use syn::visit::Visit;
use syn::visit_mut::VisitMut;
use syn::{
    FnArg, GenericArgument, GenericParam, Generics, Lifetime, PathArguments, Type, TypeReference,
};

use super::arguments::{Argument, Arguments};
use super::check::Input;
use super::context::is_context;
use super::function::Function;
use super::return_type::{last_segment, types};
use crate::errors::{Errors, as_text};

/// A parameter of the function that is no input.
pub(crate) struct Taken {
    /// Which one.
    pub(crate) place: usize,
    /// None if there is something wrong with it, which has been reported.
    pub(crate) transaction: Option<Transaction>,
}

/// The transaction that an action takes.
pub(crate) struct Transaction {
    pub(crate) ty: Type,
    /// True for an `async fn`: in PostgreSQL, SQL is awaited. In SQLite it is not.
    pub(crate) is_async: bool,
}

impl Transaction {
    /// The variant of `DatabaseKind`.
    pub(crate) fn database(&self) -> Ident {
        Ident::new(if self.is_async { "Postgres" } else { "Sqlite" }, Span::call_site())
    }
}

/// How an input gets to the thread on which the transaction runs.
pub(crate) enum Passed<'a> {
    /// `&T`: a copy goes there.
    Reference(&'a Type),
    /// `Option<&T>`: the same.
    Optional(&'a Type),
    /// Any other type: it goes there itself.
    Owned,
}

impl<'a> Passed<'a> {
    pub(crate) fn of(ty: &'a Type) -> Self {
        match ty {
            Type::Reference(reference) => Self::Reference(&reference.elem),
            _ => match last_segment(ty).filter(|last| last.ident == "Option") {
                Some(last) => match types(&last.arguments).next() {
                    Some(Type::Reference(inner)) => Self::Optional(&inner.elem),
                    _ => Self::Owned,
                },
                None => Self::Owned,
            },
        }
    }
}

/// The first parameter after the context.
pub(crate) fn transaction(function: &Function, errors: &mut Errors) -> Option<Taken> {
    let sig = &function.sig;
    let name = &sig.ident;
    let mut params = sig.inputs.iter().enumerate().filter(|(_, param)| !is_context(param));
    let (place, ty) = match params.next() {
        Some((place, FnArg::Typed(param))) => (place, &*param.ty),
        // It is reported by `receiver`.
        Some((_, FnArg::Receiver(_))) => return None,
        None => {
            errors.at(
                name,
                format!(
                    "action `{name}` is a `transaction`, so it takes one\n\
                     \x20 in SQLite: `fn {name}(tx: &rusqlite::Transaction<'_>, ..)`\n\
                     \x20 in PostgreSQL: `async fn {name}(tx: &tokio_postgres::Transaction<'_>, ..)`"
                ),
            );
            return None;
        }
    };
    match ty {
        Type::Reference(TypeReference { mutability: Some(mutability), .. }) => {
            errors.at(mutability, "the transaction is also the log's: remove `mut`");
            return Some(Taken { place, transaction: None });
        }
        Type::Reference(_) => {}
        ty => {
            let message = format!(
                "action `{name}` is a `transaction`: before its inputs it takes \
                 `tx: &rusqlite::Transaction<'_>` or, as an `async fn`, `tx: &tokio_postgres::Transaction<'_>`"
            );
            errors.at(ty, message);
            return None;
        }
    }
    let mut ty = ty.clone();
    Unnamed.visit_type_mut(&mut ty);
    let transaction = Transaction { ty, is_async: sig.asyncness.is_some() };
    Some(Taken { place, transaction: Some(transaction) })
}

/// The lifetimes of the transaction need no names where its type is written again.
struct Unnamed;

impl VisitMut for Unnamed {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        *lifetime = Lifetime::new("'_", lifetime.span());
    }
}

/// The lifetimes that the inputs have: others are those of the transaction.
pub(crate) fn lifetimes_of_inputs(generics: &mut Generics, inputs: &[Input]) {
    let mut named = Named(Vec::new());
    inputs.iter().for_each(|input| named.visit_type(&input.ty));
    let params = std::mem::take(&mut generics.params).into_iter();
    let is_used = |param: &GenericParam| match param {
        GenericParam::Lifetime(param) => named.0.contains(&param.lifetime),
        GenericParam::Type(_) | GenericParam::Const(_) => true,
    };
    let (used, unused) = params.partition::<Vec<_>, _>(is_used);
    generics.params = used.into_iter().collect();
    if !unused.is_empty() {
        // it could only relate them to each other
        generics.where_clause = None;
    }
}

struct Named(Vec<Lifetime>);

impl<'ast> Visit<'ast> for Named {
    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        self.0.push(lifetime.clone());
    }
}

/// Reports a parameter that is a transaction if the action does not say that it is one. An input has no lifetime
/// arguments of this kind.
pub(crate) fn undeclared(function: &Function, errors: &mut Errors) -> Option<Taken> {
    for (place, param) in function.sig.inputs.iter().enumerate() {
        let FnArg::Typed(param) = param else { continue };
        let Type::Reference(reference) = &*param.ty else { continue };
        let is_transaction = last_segment(&reference.elem).is_some_and(|last| {
            let PathArguments::AngleBracketed(arguments) = &last.arguments else { return false };
            let lifetime =
                |argument: &GenericArgument| matches!(argument, GenericArgument::Lifetime(_));
            last.ident == "Transaction" && arguments.args.iter().any(lifetime)
        });
        if is_transaction {
            let message = "to do its work in the transaction that writes the log, an action says so: \
                           `#[saga_action(transaction, ..)]`";
            errors.at(&param.ty, message);
            return Some(Taken { place, transaction: None });
        }
    }
    None
}

/// Reports an input that borrows in a way of which no copy can be made.
pub(crate) fn input(input: &Input, errors: &mut Errors) {
    let inner = match Passed::of(&input.ty) {
        Passed::Reference(inner) | Passed::Optional(inner) => inner,
        Passed::Owned => &input.ty,
    };
    let mut borrows = Borrows(false);
    borrows.visit_type(inner);
    if borrows.0 {
        let name = &input.name;
        let message = format!(
            "a transaction runs on the thread that writes the log, so it cannot borrow `{}`: take `{name}` as `&T`, \
             `Option<&T>` or an owned value",
            as_text(&input.ty)
        );
        errors.at(&input.ty, message);
    }
}

struct Borrows(bool);

impl<'ast> Visit<'ast> for Borrows {
    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        self.0 |= lifetime.ident != "static";
    }
}

/// Reports what has no meaning for a transaction; false if its undo cannot be called.
pub(crate) fn contradictions(args: &Arguments, errors: &mut Errors) -> bool {
    if let Some(given) = args.given(Argument::InDoubt) {
        let message = "a transaction is never in doubt: it was committed if and only if the log says so; remove `in_doubt`";
        errors.at(given, message);
    }
    if let Some(given) = args.given(Argument::Probe) {
        let message = "a transaction is never in doubt, so there is nothing to ask; remove `probe`";
        errors.at(given, message);
    }
    if let Some(given) = args.given(Argument::UndoOnFailure) {
        let message = "a transaction that fails is rolled back, so there is nothing to clean up; remove \
                       `undo_on_failure`";
        errors.at(given, message);
    }
    if let Some(given) = args.retry.as_ref().and_then(|retry| retry.fresh_key.as_ref()) {
        let message = "a transaction has no receiver that could keep a refusal, so it needs no key; remove `fresh_key`";
        errors.at(given, message);
    }
    let inputs = args.undo.iter().flat_map(|undo| &undo.inputs);
    let mut undoable = true;
    for input in inputs.filter(|input| input.name == "output" && input.maybe) {
        let message = "a transaction is undone only if it was committed, and then it has an output: write `output` \
                       without `?`";
        errors.at(&input.name, message);
        undoable = false;
    }
    undoable
}
