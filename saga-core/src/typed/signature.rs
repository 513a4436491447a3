//! What the macros require of the function of an action, of its undo, and of the context that they share.
//!
//! These traits are implemented for every type that fits, and only the output of the macros calls them. They
//! exist for the messages that rustc prints about a type that does not fit. Users find them as the module
//! `bounds`.

use std::future::Future;

use super::{Attempt, StepResult, Typed};
use crate::context::ActionContext;
use crate::error::{BoxError, UndoError};

/// The error of an action or of its undo: any error, and anything that converts into one. Implemented for every
/// type that fits.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a saga action",
    label = "not an error",
    note = "the error of an action is any `std::error::Error + Send + Sync + 'static`, or converts into a `Box` of one, as `anyhow::Error` and `String` do",
    note = "a `Box<dyn Error>` is one as `Box<dyn Error + Send + Sync>`"
)]
pub trait ActionFailure: 'static {
    /// The error as a trait object.
    fn boxed(self) -> BoxError;
}

#[diagnostic::do_not_recommend]
impl<E: Into<BoxError> + Send + 'static> ActionFailure for E {
    fn boxed(self) -> BoxError {
        self.into()
    }
}

/// The return type of an action: a `Result`.
#[diagnostic::on_unimplemented(
    message = "a saga action returns `Result<Output, Error>`, not `{Self}`",
    label = "expected a `Result`"
)]
pub trait ActionReturn {
    /// The output.
    type Ok;
    /// The error.
    type Err;
}

impl<T, E> ActionReturn for Result<T, E> {
    type Ok = T;
    type Err = E;
}

/// The type that an action names as its context: `ActionContext`, or an alias of it.
#[diagnostic::on_unimplemented(
    message = "the context of an action is an `&ActionContext<{Self}>`, not `&{Self}`",
    label = "write `ActionContext<{Self}>`, which derefs to `{Self}`"
)]
pub trait Context {}

impl<C> Context for ActionContext<C> {}

/// A type that an action of a saga over `C` may name as its context. It includes the user's own `C`, which is
/// reported where the action is declared, and need not be reported again in every saga.
#[diagnostic::on_unimplemented(
    message = "an action that takes `&{Self}` cannot be a node of a saga over `{C}`",
    label = "not an action or a saga over `{C}`",
    note = "a node is a function with `#[saga_action]` that takes `&ActionContext<{C}>` or no context, or another saga over `{C}`"
)]
pub trait ContextOf<C>: Sync {
    #[doc(hidden)]
    fn of(cx: &ActionContext<C>) -> &Self;
}

impl<C: Send + Sync + 'static> ContextOf<C> for ActionContext<C> {
    fn of(cx: &Self) -> &Self {
        cx
    }
}

impl<C: Send + Sync + 'static> ContextOf<C> for C {
    fn of(cx: &ActionContext<C>) -> &Self {
        cx
    }
}

/// Asserts that the context of an action is an `ActionContext`.
#[doc(hidden)]
pub fn assert_context<T: Context>() {}

/// The context that the actions of a saga share. Without this trait, rustc would report each missing
/// supertrait, and again in each node.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the context of a saga",
    label = "must be `Send + Sync + 'static`",
    note = "the actions of a saga share its context, and run on all threads: use an `Arc` or a `Mutex` inside, and `Box<dyn Trait + Send + Sync>`"
)]
pub trait SharedContext {}

#[diagnostic::do_not_recommend]
impl<C: Send + Sync + 'static> SharedContext for C {}

/// The call of an undo: a future whose output is an [`UndoReturn`].
#[diagnostic::on_unimplemented(
    message = "an undo is an `async fn`, and this one is not: it returns `{Self}`",
    label = "expected an `async fn`"
)]
pub trait UndoCall: Sized {
    #[doc(hidden)]
    fn attempt<A: Typed, F>(self) -> Attempt<A, F, Self>;
}

impl<U: Future<Output: UndoReturn>> UndoCall for U {
    fn attempt<A: Typed, F>(self) -> Attempt<A, F, U> {
        Attempt::undo(self)
    }
}

/// The return type of an undo: a `Result<(), Error>`.
#[diagnostic::on_unimplemented(
    message = "an undo returns `Result<(), Error>`, not `{Self}`",
    label = "expected a `Result<(), _>`"
)]
pub trait UndoReturn {
    #[doc(hidden)]
    fn undone(self) -> StepResult;
}

impl<E: ActionFailure> UndoReturn for Result<(), E> {
    fn undone(self) -> StepResult {
        StepResult::Undone(self.map_err(|error| UndoError::from_error(error.boxed())))
    }
}
