//! The kind of a node, derived from the return type of its closure.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;

use super::step::{NeverGivesUp, Step, StepKind};
use crate::context::Scope;
use crate::value::Storable;

/// Proof that a closure came to its end. Its type tells the kind of the node.
pub struct StepDone<S>(PhantomData<fn() -> S>);

impl<S> StepDone<S> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

/// The return value of a node's closure: its call, whose type tells the kind of the node. It is a type of its
/// own because rustc takes longer to compare boxed futures.
pub struct StepFuture<'s, S>(Running<'s, S>);

enum Running<'s, S> {
    /// A call, which leaves its result in the scope.
    Call(BoxFuture<'s, ()>),
    /// A block that ends in a call.
    Block(BoxFuture<'s, StepDone<S>>),
    /// The result has been left already.
    Left,
}

impl<'s, S> StepFuture<'s, S> {
    pub(super) fn call(call: BoxFuture<'s, ()>) -> Self {
        Self(Running::Call(call))
    }

    pub(super) fn block(block: BoxFuture<'s, StepDone<S>>) -> Self {
        Self(Running::Block(block))
    }

    pub(super) fn left() -> Self {
        Self(Running::Left)
    }

    /// The future without its type; `None` if the result has been left already.
    pub(super) fn erased(self) -> Option<BoxFuture<'s, ()>>
    where
        S: 'static,
    {
        match self.0 {
            Running::Call(call) => Some(call),
            Running::Block(block) => Some(Box::pin(ErasedBlock(block))),
            Running::Left => None,
        }
    }
}

impl<S> Future for StepFuture<'_, S> {
    type Output = StepDone<S>;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<StepDone<S>> {
        match &mut self.get_mut().0 {
            Running::Call(call) => call.as_mut().poll(task).map(|()| StepDone::new()),
            Running::Block(block) => block.as_mut().poll(task),
            Running::Left => Poll::Ready(StepDone::new()),
        }
    }
}

struct ErasedBlock<'s, S>(BoxFuture<'s, StepDone<S>>);

impl<S> Future for ErasedBlock<'_, S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<()> {
        self.get_mut().0.as_mut().poll(task).map(|_| ())
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

    /// Calls the action and seems to return its output, so that rustc checks the type of the output against
    /// what the user wrote. In fact it leaves the result in the scope and never returns.
    #[doc(hidden)]
    pub fn run<'s, C: Send + Sync + 'static, A>(
        self,
        cx: &'s Scope<C>,
        action: A,
    ) -> BoxFuture<'s, A::Output>
    where
        A: Step<C, Static = M> + 's,
    {
        cx.leaves(action)
    }
}

impl<M> ActionNode<M> {
    /// The same after a point of no return, where an action must never give up.
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

/// A node that computes a value and runs no action.
pub struct ComputedNode<O>(PhantomData<fn() -> O>);

impl<O> ComputedNode<O> {
    pub(crate) fn marker() -> Self {
        Self(PhantomData)
    }
}

/// The kind of a node, derived from the type of its closure, so that building a DAG runs none of the users'
/// code.
pub trait NodeShape<C> {
    /// The output type of the node.
    type Output: Storable;
    /// What the node runs; `None` for a computed node.
    fn kind() -> Option<StepKind>;
}

impl<C, M> NodeShape<C> for ActionNode<M>
where
    M: Step<C> + 'static,
{
    type Output = M::Output;
    fn kind() -> Option<StepKind> {
        Some(M::kind())
    }
}

impl<C, O: Storable> NodeShape<C> for ComputedNode<O> {
    type Output = O;
    fn kind() -> Option<StepKind> {
        None
    }
}
