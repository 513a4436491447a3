//! What both macros ask of the functions and types that they are given.
//!
//! Nothing here is implemented or called by hand. The names stand in rustc's messages, and here is what
//! they mean.

use std::future::Future;

use crate::context::ActionContext;
use crate::error::{ActionError, UndoError};
use crate::log::Payload;
use crate::typed::{ActionFailure, Attempt, StepResult, Typed};
use crate::value::{ActionData, ActionOutput, AttemptError, stored};

#[doc(hidden)]
pub use crate::__private::computed::computed;
#[doc(hidden)]
pub use crate::__private::last_line::{
    InnerTail, IsPlain, IsValue, LastStep, Tail, TailStep, TailValue, WholeOutput, inner_tail, tail,
};
pub use crate::__private::undo_arity::Takes;
#[doc(hidden)]
pub use crate::__private::undo_arity::{Fits, Misfits, undo};

/// What an action or a saga returns: [`ActionData`], which has supertraits, and of those that do not hold rustc
/// would report each by itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept in the saga log",
    label = "must be `Serialize + DeserializeOwned + Send + Sync + 'static`",
    note = "node outputs and saga parameters are written to the log so that a crashed saga can resume",
    note = "for a type of your own, add `#[derive(serde::Serialize, serde::Deserialize)]`"
)]
pub trait Storable: 'static {
    #[doc(hidden)]
    fn store(self) -> Result<ActionOutput, AttemptError>;

    /// The same for a value that no action made: what is read from what is written of it.
    #[doc(hidden)]
    fn read_back(self) -> Result<ActionOutput, ActionError>;

    #[doc(hidden)]
    fn restore(payload: &Payload) -> Result<ActionOutput, ActionError>;
}

#[diagnostic::do_not_recommend]
impl<T: ActionData> Storable for T {
    fn store(self) -> Result<ActionOutput, AttemptError> {
        stored(self)
    }

    fn read_back(self) -> Result<ActionOutput, ActionError> {
        ActionOutput::new(self)
    }

    fn restore(payload: &Payload) -> Result<ActionOutput, ActionError> {
        ActionOutput::decode::<T>(payload)
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
