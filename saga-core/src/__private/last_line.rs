//! Tells whether the last line of a saga or body, a struct literal, is the call of an action, a saga, or a
//! plain value.

use std::any::Any;
use std::marker::PhantomData;

use futures_util::future::BoxFuture;

use crate::typed::{
    ActionNode, ComputedNode, NeverGivesUp, NodeShape, Saga, Scope, Step, StepKind, Typed,
    computed, no_output,
};
use crate::value::ActionData;

/// The last line of the saga `S`: a step or a value, decided by autoref specialization.
pub struct Tail<'t, S, T>(PhantomData<&'t T>, PhantomData<fn() -> S>);

pub fn tail<S, T>(_: &T) -> Tail<'_, S, T> {
    Tail(PhantomData, PhantomData)
}

/// The same for the last line of a body.
pub struct InnerTail<'t, T>(PhantomData<&'t T>);

pub fn inner_tail<T>(_: &T) -> InnerTail<'_, T> {
    InnerTail(PhantomData)
}

impl<T: Typed> TailStep<()> for &InnerTail<'_, T> {
    fn kind(&self) -> LastStep {
        LastStep
    }
}

pub trait TailValue {
    type Kind;
    fn kind(&self) -> Self::Kind;
}

impl<T> TailValue for InnerTail<'_, T> {
    type Kind = IsPlain;
    fn kind(&self) -> IsPlain {
        IsPlain
    }
}

/// A plain value of any type.
pub struct IsPlain;

impl IsPlain {
    pub fn behind<A>(&self, _: &A) {}

    pub fn shape<V>(&self) -> ComputedNode<V> {
        ComputedNode::marker()
    }

    pub fn run<'s, C: Send + Sync + 'static, V: ActionData>(
        &self,
        cx: &'s Scope<C>,
        value: V,
        _: &ComputedNode<V>,
    ) -> BoxFuture<'s, V> {
        cx.leave(computed(value));
        Box::pin(std::future::pending())
    }
}

pub trait TailStep<S> {
    fn kind(&self) -> LastStep;
}

impl<S, T: Typed> TailStep<S> for &Tail<'_, S, T> {
    fn kind(&self) -> LastStep {
        LastStep
    }
}

impl<S, T> TailValue for Tail<'_, S, T> {
    type Kind = IsValue<S>;
    fn kind(&self) -> IsValue<S> {
        IsValue(PhantomData)
    }
}

pub struct LastStep;

impl LastStep {
    pub fn behind<A: NeverGivesUp>(&self, _: &A) {}

    pub fn shape<M>(&self) -> ActionNode<M> {
        ActionNode::marker()
    }

    pub fn run<'s, C: Send + Sync + 'static, A, M>(
        &self,
        cx: &'s Scope<C>,
        action: A,
        shape: &ActionNode<M>,
    ) -> BoxFuture<'s, A::Output>
    where
        A: Step<C, Static = M> + 's,
    {
        shape.run(cx, action)
    }
}

pub struct IsValue<S>(PhantomData<fn() -> S>);

impl<S: Saga> IsValue<S> {
    pub fn behind<A>(&self, _: &A) {}

    pub fn shape(&self) -> WholeOutput<S> {
        WholeOutput(PhantomData)
    }

    pub fn run<'s, V: Send + 'static>(
        &self,
        cx: &'s Scope<S::Context>,
        value: V,
        _: &WholeOutput<S>,
    ) -> BoxFuture<'s, V> {
        let value: Box<dyn Any> = Box::new(value);
        cx.leave(match value.downcast::<S::Output>() {
            Ok(output) => computed(*output),
            // The macro makes rustc compare the two types, so code that gets here never compiles.
            Err(_) => no_output(),
        });
        Box::pin(std::future::pending())
    }
}

/// A node whose value is the output of the saga `S`. It is known to be storable because `S` is a saga.
pub struct WholeOutput<S>(PhantomData<fn() -> S>);

impl<S: Saga> NodeShape<S::Context> for WholeOutput<S> {
    type Output = S::Output;
    fn kind() -> Option<StepKind> {
        None
    }
}
