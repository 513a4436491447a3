//! The calls that nodes make: of actions, and of other sagas.

use std::future::Future;
use std::sync::Arc;

use super::{ActionFailure, ActionSpec, WaitSpec};
use crate::context::{ActionContext, StepCall, StepResult};
use crate::dag::{AnyDag, DagError};
use crate::names::SagaName;
#[cfg(feature = "testing")]
use crate::value::Evaluated;
use crate::value::Storable;

/// The output and error types of an action or a saga. Implemented by both macros.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an action or a saga",
    label = "not an action or a saga",
    note = "annotate the function with `#[saga_action]` to use it as a node"
)]
pub trait Typed {
    /// What it returns.
    type Output: Storable;
    /// The type of its error.
    type Error: ActionFailure;
}

/// One call of an action that can be a node of a saga over `C`. Implemented by `#[saga_action]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a node of a saga over `{C}`",
    label = "not an action or a saga over `{C}`",
    note = "a node is a function with `#[saga_action]` that takes `&ActionContext<{C}>` or no context, or another saga over `{C}`",
    note = "a saga with a `#[pivot]` cannot be a node: the saga around it could still fail, and would then have to roll back past that point of no return"
)]
pub trait Step<C>: Typed + Sized + Send {
    /// The same call without borrowed inputs. It represents the action where the inputs do not matter.
    type Static: Step<C> + Typed<Output = Self::Output> + 'static;

    /// Runs the action, or its undo.
    fn go(self, cx: &ActionContext<C>, op: &StepCall) -> impl Future<Output = StepResult> + Send;

    /// The result where no action can run: for a saga, its parameters; for an action, what its undo reads of its inputs, if
    /// that is anything.
    #[doc(hidden)]
    fn pure(self) -> Option<StepResult> {
        None
    }

    /// The values of the inputs, for comparison with those of another evaluation.
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    fn inputs(&self) -> Vec<Evaluated> {
        Vec::new()
    }

    /// The kind of a node that makes this call.
    fn kind() -> StepKind;
}

/// An action that is attempted until it succeeds, or a saga of such actions: what may come after a
/// [pivot](crate::dag::Node::pivot). `#[saga_action(retry(forever))]` implements it, and so does `saga!` for a
/// saga with `#[retry(forever)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` may give up where a saga can only go forward",
    label = "may give up",
    note = "this applies after a `#[pivot]`, and to all of a saga with `#[retry(forever)]`: use an action with `retry(forever)`, put `#[retry(forever)]` on the node, or use a saga with `#[retry(forever)]`"
)]
pub trait NeverGivesUp {}

/// The kind of a node that runs something.
pub enum StepKind {
    /// An action with this declaration.
    Action(ActionSpec),
    /// Another saga.
    Saga(Subsaga),
    /// It runs nothing, and waits.
    Wait(WaitSpec),
}

/// How to build the DAG of a saga that is a node of another saga.
pub struct Subsaga(pub(crate) DefineFn);

/// Builds a DAG of at most this many nodes, nested in these sagas.
pub(crate) type DefineFn = fn(usize, Vec<SagaName>) -> Result<Arc<AnyDag>, DagError>;
