//! What the macros ask of an action's function, of its undo, and of the context that they share.
//!
//! All of these traits are implemented for every type that fits, and called by nobody but the macros' output. They
//! exist for the messages that rustc prints where a type does not fit. Users read them as [`crate::bounds`].

use std::future::Future;

use super::{Attempt, StepResult, Typed};
use crate::context::ActionContext;
use crate::error::{BoxError, UndoError};

/// What an action and its undo may fail with: any error, and what converts into one. Implemented for
/// every type that fits.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a saga action",
    label = "not an error",
    note = "the error of an action is any `std::error::Error + Send + Sync + 'static`, or converts into a `Box` of one, as `anyhow::Error` and `String` do",
    note = "a `Box<dyn Error>` is one as `Box<dyn Error + Send + Sync>`"
)]
pub trait ActionFailure: 'static {
    /// The error, type erased.
    fn boxed(self) -> BoxError;
}

#[diagnostic::do_not_recommend]
impl<E: Into<BoxError> + Send + 'static> ActionFailure for E {
    fn boxed(self) -> BoxError {
        self.into()
    }
}

/// What an action's function returns: a `Result`.
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

/// What an action calls its context: an alias of `ActionContext`.
#[diagnostic::on_unimplemented(
    message = "the context of an action is an `&ActionContext<{Self}>`, not `&{Self}`",
    label = "write `ActionContext<{Self}>`, which derefs to `{Self}`"
)]
pub trait Context {}

impl<C> Context for ActionContext<C> {}

/// What an action in a saga over `C` may call its context. Also the user's own `C`, which is reported
/// where the action is declared, and not again in every saga.
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

/// That an action's context is one.
#[doc(hidden)]
pub fn assert_context<T: Context>() {}

/// What a saga's actions share. It is what rustc would report part by part, and in each node again.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the context of a saga",
    label = "must be `Send + Sync + 'static`",
    note = "the actions of a saga share its context, and run on all threads: use an `Arc` or a `Mutex` inside, and `Box<dyn Trait + Send + Sync>`"
)]
pub trait SharedContext {}

#[diagnostic::do_not_recommend]
impl<C: Send + Sync + 'static> SharedContext for C {}

/// A call of an undo: a future whose output is an [`UndoReturn`].
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

/// What an undo returns: a `Result<(), Error>`.
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
