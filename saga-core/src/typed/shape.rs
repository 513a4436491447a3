//! What a node is, read off the type that its closure returns.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;

use super::step::{NeverGivesUp, Step, StepKind};
use crate::context::Scope;
use crate::value::Storable;

/// That a closure came to its end; says by its type what the node is.
pub struct StepDone<S>(PhantomData<fn() -> S>);

impl<S> StepDone<S> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

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
