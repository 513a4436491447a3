//! The typed layer between what users write and the DAG: what `saga!` and `#[saga_action]` expand into,
//! and what a hand-written DAG of annotated actions uses.
//!
//! An annotated function has a brace struct beside it, whose fields are its parameters. A value of that
//! struct is one call ([`Step`]). A node of a typed DAG is a closure that makes this value from the
//! outputs of earlier nodes; the same closure serves the action and its undo.

use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::action::Timeouts;
use crate::bounds::Storable;
use crate::context::ActionContext;
use crate::dag::{Dag, DagBuilder, DagError};
use crate::error::{ActionError, BoxError};
use crate::names::SagaName;
use crate::policy::{Policy, UndoContract};
use crate::value::{ActionData, AttemptError};

mod arms;
mod attempt;
mod bodies;
mod choice;
mod closures;
mod constant;
mod define;
mod items;
mod scope;
mod selectors;
mod source;
mod steps;

pub use crate::context::{Scope, StepCall, StepResult};
pub use crate::names::{BodyId, Source};
pub use arms::Arms;
pub use attempt::{Attempt, ErrorRules};
pub use choice::Choice;
pub use items::Items;
pub(crate) use items::Like;
pub use source::{ItemRef, OutputRef, ParamRef, SagaOutput};

/// A saga: parameters, the DAG that they start, and its output. `saga!` writes the implementation; by
/// hand it is this:
///
/// ```
/// use saga_core::dag::DagBuilder;
/// use saga_core::prelude::*;
/// use saga_core::typed::SagaOutput;
/// use saga_core::Saga;
///
/// #[saga_action(no_undo)]
/// async fn greet(name: &str) -> Result<String, String> { Ok(format!("hello {name}")) }
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Greet { name: String }
///
/// impl Saga for Greet {
///     type Context = ();
///     type Output = String;
///     const NAME: &'static str = "Greet";
///     fn define(dag: &mut DagBuilder<()>) -> SagaOutput<String> {
///         let name = dag.param("name", |saga: &Greet| &saga.name);
///         let greet = dag.step("greet", &[("name", &[name.id()])], move |cx| {
///             cx.call(greet { name: name.get(cx) })
///         });
///         dag.ends_with(greet)
///     }
/// }
/// # let dag = saga_core::dag::Dag::of::<Greet>()?;
/// # assert_eq!(dag.len(), 1);
/// # Ok::<(), saga_core::dag::DagError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a saga",
    label = "not a saga",
    note = "a saga is declared with `saga! {{ pub {Self}<Context>(..) {{ .. }} }}`"
)]
pub trait Saga: ActionData {
    /// The user's context that all of its actions share.
    type Context: Send + Sync + 'static;
    /// What it returns.
    type Output: ActionData;
    /// The durable name.
    const NAME: &'static str;
    /// Where it is written, as `file:line`.
    const PLACE: &'static str = "";
    /// Declares the nodes.
    fn define(dag: &mut DagBuilder<Self::Context>) -> SagaOutput<Self::Output>;
}

/// What an action or a saga returns. Implemented by both macros.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an action or a saga",
    label = "not an action or a saga",
    note = "annotate the function with `#[saga_action]` to use it as a node"
)]
pub trait Typed {
    /// What it returns.
    type Output: Storable;
    /// What it fails with.
    type Error: ActionFailure;
}

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

/// One call of an action that can be a node of a saga over `C`. Implemented by `#[saga_action]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a node of a saga over `{C}`",
    label = "not an action or a saga over `{C}`",
    note = "a node is a function with `#[saga_action]` that takes `&ActionContext<{C}>` or no context, or another saga over `{C}`",
    note = "a saga with a `#[pivot]` cannot be a node: the saga around it could still fail, and would have to unwind behind that point of no return"
)]
pub trait Step<C>: Typed + Sized + Send {
    /// The same call without borrowed inputs: names the action where its inputs don't matter.
    type Static: Step<C> + Typed<Output = Self::Output> + 'static;

    /// Does it, or undoes it.
    fn go(self, cx: &ActionContext<C>, op: &StepCall) -> impl Future<Output = StepResult> + Send;

    /// What it gives where no action can run; for a saga, its parameters.
    #[doc(hidden)]
    fn pure(self) -> Option<StepResult> {
        None
    }

    /// What a node with this call is.
    fn kind() -> StepKind<C>;
}

/// A saga that can be a node of another: one without a pivot. `saga!` implements it; for a saga that is
/// written by hand it is one line, `impl saga_core::typed::Nestable for Inner {}`.
pub trait Nestable {}

/// An action that is tried until it succeeds, or a saga of such actions: what can stand behind a
/// [pivot](crate::dag::Node::pivot). `#[saga_action(retry(forever))]` implements it, and so does `saga!` for
/// a saga with `#[retry(forever)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` may give up, where a saga only goes forward",
    label = "may give up",
    note = "that is behind a `#[pivot]`, and in all of a saga with `#[retry(forever)]`: use an action with `retry(forever)`, put `#[retry(forever)]` on the node, or use a saga with `#[retry(forever)]`"
)]
pub trait NeverGivesUp {}

/// What a node is that runs something.
#[expect(clippy::large_enum_variant, reason = "one at a time, while a DAG is built")]
pub enum StepKind<C> {
    /// An action, which declares this about itself.
    Action(ActionSpec),
    /// Another saga.
    Saga(Subsaga<C>),
}

/// How the DAG of a saga is made that is a node of another.
pub struct Subsaga<C>(pub(crate) Define<C>);

/// Of at most so many nodes, inside these sagas.
pub(crate) type Define<C> = fn(usize, Vec<SagaName>) -> Result<Dag<C>, DagError>;

#[diagnostic::do_not_recommend]
impl<S: Saga> Typed for S {
    type Output = S::Output;
    type Error = ActionError;
}

/// A saga is a node of another one by its parameters.
#[diagnostic::do_not_recommend]
impl<S: Saga + Nestable> Step<S::Context> for S {
    type Static = S;

    async fn go(self, _cx: &ActionContext<S::Context>, _op: &StepCall) -> StepResult {
        computed(self)
    }

    fn pure(self) -> Option<StepResult> {
        Some(computed(self))
    }

    fn kind() -> StepKind<S::Context> {
        StepKind::Saga(Subsaga(DagBuilder::define::<S>))
    }
}

/// What an action declares about itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ActionSpec {
    /// The durable name.
    pub name: &'static str,
    /// The revision.
    pub rev: u32,
    /// For humans.
    pub label: Option<&'static str>,
    /// What its undo needs, and how often both are tried.
    pub policy: Policy,
    /// How long one attempt of the action may take.
    pub timeout: Option<Duration>,
    /// How long one attempt of the undo may take.
    pub undo_timeout: Option<Duration>,
    /// The undo as declared, such as `refund(output?)`.
    pub undo: &'static str,
    /// Where it is written.
    pub place: &'static Location<'static>,
}

impl ActionSpec {
    /// An action of which nothing else is said: tried once, its undo up to 10 times. Its place is where
    /// this is called; as an argument, a line number would make rustc check every action again that
    /// stands below an edit.
    #[track_caller]
    pub const fn new(name: &'static str, kind: UndoContract, undo: &'static str) -> Self {
        let (policy, place) = (Policy::new(kind), Location::caller());
        Self { name, rev: 0, label: None, policy, timeout: None, undo_timeout: None, undo, place }
    }

    pub(crate) fn timeouts(&self) -> Timeouts {
        Timeouts { action: self.timeout, undo: self.undo_timeout }
    }
}

/// What a computed node leaves.
pub(crate) fn computed<O: Storable>(value: O) -> StepResult {
    match value.read_back() {
        Ok(output) => StepResult::Output(output),
        Err(error) => StepResult::Failed(AttemptError::from(error).permanent()),
    }
}

/// That a closure came to its end; says by its type what the node is.
pub struct StepDone<S>(PhantomData<fn() -> S>);

/// What a node's closure returns: its call, which says by its type what the node is. A type of its own,
/// since rustc takes longer to compare boxed futures.
pub struct StepFuture<'s, S>(pub(crate) BoxFuture<'s, StepDone<S>>);

impl<S> Future for StepFuture<'_, S> {
    type Output = StepDone<S>;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<StepDone<S>> {
        self.get_mut().0.as_mut().poll(task)
    }
}

/// A node that runs the action `M`.
pub struct ActionNode<M>(PhantomData<fn() -> M>);

impl<M> Clone for ActionNode<M> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<M> Copy for ActionNode<M> {}

impl<M> ActionNode<M> {
    pub(crate) fn marker() -> Self {
        Self(PhantomData)
    }

    /// Calls the action and "returns" its plain output, so that rustc checks its type where the user
    /// wrote one. In truth it leaves the result in the scope and never returns.
    #[doc(hidden)]
    pub fn run<'s, C: Send + Sync + 'static, A>(
        self,
        cx: &'s Scope<C>,
        action: A,
    ) -> BoxFuture<'s, A::Output>
    where
        A: Step<C, Static = M> + 's,
    {
        Box::pin(async move {
            let stop = cx.go(action).await;
            cx.stop_with(stop).await
        })
    }
}

impl<M> ActionNode<M> {
    /// The same behind a point of no return, where an action never gives up.
    #[doc(hidden)]
    pub fn run_behind<'s, C: Send + Sync + 'static, A>(
        self,
        cx: &'s Scope<C>,
        action: A,
    ) -> BoxFuture<'s, A::Output>
    where
        A: Step<C, Static = M> + NeverGivesUp + 's,
    {
        self.run(cx, action)
    }
}

/// A node that has a value and runs no action.
pub struct ComputedNode<O>(PhantomData<fn() -> O>);

impl<O> ComputedNode<O> {
    pub(crate) fn marker() -> Self {
        Self(PhantomData)
    }
}

/// What a node is, read off the type of its closure, so that building a DAG runs nothing of the user's.
pub trait NodeShape<C> {
    /// The node's output.
    type Output: Storable;
    /// What it runs; none for a computed node.
    fn kind() -> Option<StepKind<C>>;
}

impl<C, M> NodeShape<C> for ActionNode<M>
where
    M: Step<C> + 'static,
{
    type Output = M::Output;
    fn kind() -> Option<StepKind<C>> {
        Some(M::kind())
    }
}

impl<C, O: Storable> NodeShape<C> for ComputedNode<O> {
    type Output = O;
    fn kind() -> Option<StepKind<C>> {
        None
    }
}
