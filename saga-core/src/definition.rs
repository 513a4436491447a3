//! The typed layer between what users write and the DAG: what `saga!` and `#[saga_action]` expand into,
//! and what a hand-written DAG of annotated actions uses.
//!
//! An annotated function has a brace struct beside it, whose fields are its parameters. A value of that
//! struct is one call ([`Step`]). A node of a typed DAG is a closure that makes this value from the
//! outputs of earlier nodes; the same closure serves the action and its undo.

use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::action::{ActionData, ActionOutput, Failed, Timeouts, Value};
use crate::context::ActionContext;
use crate::dag::{DagBuilder, NodeIndex, Policy};
use crate::error::{BoxError, UndoError};

/// A saga: parameters, the DAG that they start, and its output. `saga!` writes the implementation; by
/// hand it is this:
///
/// ```
/// use saga_core::prelude::*;
/// use saga_core::dag::DagBuilder;
/// use saga_core::{Saga, Ends};
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
///     fn define(dag: &mut DagBuilder<()>) -> Ends<String> {
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
    fn define(dag: &mut DagBuilder<Self::Context>) -> Ends<Self::Output>;
}

/// What an action or a saga returns. Implemented by both macros.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an action or a saga",
    label = "not an action or a saga",
    note = "annotate the function with `#[saga_action]` to use it as a node"
)]
pub trait Typed {
    /// What it returns.
    type Output: ActionData;
    /// What it fails with.
    type Error: ActionFailure;
}

/// What an action and its undo may fail with: any error, and what converts into one. Implemented for
/// every type that fits.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a saga action",
    label = "not an error",
    note = "the error of an action is any `std::error::Error + Send + Sync + 'static`, or converts into a `Box` of one, as `anyhow::Error` and `String` do"
)]
pub trait ActionFailure: Send + 'static {
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
    note = "a node is a function with `#[saga_action]` that takes `&ActionContext<{C}>` or no context, or another saga over `{C}`"
)]
pub trait Step<C>: Typed + Sized + Send {
    /// The same call without borrowed inputs: names the action where its inputs don't matter.
    type Static: Step<C> + Typed<Output = Self::Output> + 'static;

    /// Does it, or undoes it.
    fn go(self, cx: &ActionContext<C>, op: Op) -> impl Future<Output = Stop> + Send;

    /// What the action declares about itself.
    fn spec() -> ActionSpec;
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
    /// Where it is written, as `file:line`.
    pub place: &'static str,
}

impl ActionSpec {
    pub(crate) fn timeouts(&self) -> Timeouts {
        Timeouts { action: self.timeout, undo: self.undo_timeout }
    }
}

/// What a call of a node's closure is for.
#[derive(Clone)]
pub enum Op {
    /// Run the action, or compute the value.
    Do,
    /// Run the undo; with the output, if the action is known to have succeeded.
    Undo(Option<Value>),
}

/// What came of it.
pub enum Stop {
    /// The action succeeded, or the value is computed.
    Output(ActionOutput),
    /// The action did not.
    Failed(Failed),
    /// The undo ended.
    Undone(Result<(), UndoError>),
}

/// One call of a node's closure: where the closure reads its inputs and leaves its result.
pub struct Scope<C> {
    cx: ActionContext<C>,
    op: Op,
    /// What the step declared to read; all else is refused.
    sources: std::sync::Arc<[Source]>,
    entered: std::sync::atomic::AtomicBool,
    stop: Mutex<Option<Stop>>,
}

impl<C: Send + Sync + 'static> Scope<C> {
    pub(crate) fn new(cx: ActionContext<C>, op: Op, sources: std::sync::Arc<[Source]>) -> Self {
        let entered = std::sync::atomic::AtomicBool::new(false);
        Self { cx, op, sources, entered, stop: Mutex::new(None) }
    }

    /// Calls the action, or its undo: `cx.call(book_hotel { city: city.get(cx) })`.
    pub fn call<'s, A>(&'s self, action: A) -> BoxFuture<'s, Done<Leaf<A::Static>>>
    where
        A: Step<C> + 's,
    {
        Box::pin(async move {
            self.enter();
            let stop = action.go(&self.cx, self.op.clone()).await;
            self.leave(stop);
            Done(PhantomData)
        })
    }

    /// Gives the value of a node that runs no action.
    pub fn value<O: ActionData>(&self, value: O) -> BoxFuture<'_, Done<Pure<O>>> {
        self.leave(computed(value));
        Box::pin(async { Done(PhantomData) })
    }

    /// From here on the user's action or undo runs.
    fn enter(&self) {
        self.entered.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    pub(crate) fn entered(&self) -> bool {
        self.entered.load(std::sync::atomic::Ordering::Relaxed)
    }

    pub(crate) fn leave(&self, stop: Stop) {
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = Some(stop);
    }

    pub(crate) fn take(&self) -> Option<Stop> {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Leaves the result and never comes back: the plumbing of calls whose plain output has a type of its
    /// own in the closure.
    async fn stop_with<T>(&self, stop: Stop) -> T {
        self.leave(stop);
        std::future::pending().await
    }

    /// The marker of a call that is made with [`Leaf::run`].
    #[doc(hidden)]
    pub fn leaf<M>(&self) -> Leaf<M> {
        Leaf::marker()
    }

    /// The end of a closure that made its call with [`Leaf::run`].
    #[doc(hidden)]
    pub fn done<O, S: Shape<C>>(&self, _: O, _: S) -> Done<S> {
        Done(PhantomData)
    }
}

/// What a computed node leaves.
pub(crate) fn computed<O: ActionData>(value: O) -> Stop {
    match ActionOutput::new(value) {
        Ok(output) => Stop::Output(output),
        Err(error) => Stop::Failed(Failed::from(error).permanent()),
    }
}

/// That a closure came to its end; says by its type what the node is.
pub struct Done<S>(PhantomData<fn() -> S>);

/// A node that runs the action `M`.
pub struct Leaf<M>(PhantomData<fn() -> M>);

impl<M> Clone for Leaf<M> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<M> Copy for Leaf<M> {}

impl<M> Leaf<M> {
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
            cx.enter();
            let stop = action.go(&cx.cx, cx.op.clone()).await;
            cx.stop_with(stop).await
        })
    }
}

/// A node that has a value and runs no action.
pub struct Pure<O>(PhantomData<fn() -> O>);

/// What a node is, read off the type of its closure, so that building a DAG runs nothing of the user's.
pub trait Shape<C> {
    /// The node's output.
    type Output: ActionData;
    /// Its action; none for a computed node.
    fn action() -> Option<ActionSpec>;
}

impl<C, M> Shape<C> for Leaf<M>
where
    M: Step<C> + 'static,
{
    type Output = M::Output;
    fn action() -> Option<ActionSpec> {
        Some(M::spec())
    }
}

impl<C, O: ActionData> Shape<C> for Pure<O> {
    type Output = O;
    fn action() -> Option<ActionSpec> {
        None
    }
}

/// Where a step reads from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// A parameter of the saga.
    Param(&'static str),
    /// An earlier node.
    Node(NodeIndex),
}

/// The output of a node, known by place and type before the saga runs.
pub struct Slot<T> {
    pub(crate) node: NodeIndex,
    pub(crate) ty: PhantomData<fn() -> T>,
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Slot<T> {}

impl<T: 'static> Slot<T> {
    /// The node's name for bindings and `after`.
    pub fn id(self) -> Source {
        Source::Node(self.node)
    }

    /// The output. Only for nodes that are among the step's bindings: anything else ends the node with
    /// an error that says so.
    pub fn get<C: Send + Sync + 'static>(self, cx: &Scope<C>) -> &T {
        let output = cx.sources.contains(&self.id()).then(|| cx.cx.frame.output(self.node));
        match output.flatten() {
            Some(output) if let Some(value) = output.get() => value,
            _ => unbound(&format!("node number {}", self.node)),
        }
    }
}

/// A parameter of a saga.
pub struct Param<S, T> {
    pub(crate) name: &'static str,
    pub(crate) get: fn(&S) -> &T,
}

impl<S, T> Clone for Param<S, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<S, T> Copy for Param<S, T> {}

impl<S: 'static, T> Param<S, T> {
    /// The parameter's name for bindings.
    pub fn id(self) -> Source {
        Source::Param(self.name)
    }

    /// The parameter. Only if it is among the step's bindings, as for [`Slot::get`].
    pub fn get<C: Send + Sync + 'static>(self, cx: &Scope<C>) -> &T {
        let params = cx.sources.contains(&self.id()).then(|| cx.cx.frame.params.downcast_ref());
        match params.flatten() {
            Some(saga) => (self.get)(saga),
            None => unbound(&format!("parameter `{}`", self.name)),
        }
    }
}

/// Unwinds out of the closure; the step that called it turns this into the node's error.
fn unbound(what: &str) -> ! {
    std::panic::resume_unwind(Box::new(format!(
        "{what} is read but not among the step's bindings; add it to them"
    )))
}

/// The last line of a definition: what the saga returns.
pub struct Ends<O> {
    pub(crate) node: Option<NodeIndex>,
    pub(crate) ty: PhantomData<fn() -> O>,
}

/// The message of a panic.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| s.to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_string())
}
