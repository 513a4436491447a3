//! Typed choices: the arms of a choice, and the choice between them.

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::sync::Arc;

use super::Choice;
use super::selectors::SelectNumber;
use crate::dag::{
    AnyBuilder, AnyDag, AnyNode, Choose, CompositeInput, DagBuilder, DagError, Gather, NodeBody,
    Selector,
};
use crate::names::NodeIndex;
use crate::typed::{BodyId, Like, OutputRef, SagaOutput, Scope, Source};

/// The arms of a [`choose`](DagBuilder::choose).
pub struct Arms<'b, C, O> {
    dag: &'b mut DagBuilder<C>,
    arms: Vec<NestedBody>,
    ty: PhantomData<fn() -> O>,
}

impl<'b, C: Send + Sync + 'static, O> Arms<'b, C, O> {
    pub(crate) fn collect(
        dag: &'b mut DagBuilder<C>,
        arms: impl FnOnce(&mut Self),
    ) -> Vec<NestedBody> {
        let mut collected = Self { dag, arms: Vec::new(), ty: PhantomData };
        arms(&mut collected);
        collected.arms
    }

    /// Adds an arm. All arms have the same output type.
    pub fn arm(&mut self, body: impl FnOnce(&mut DagBuilder<C>) -> SagaOutput<O>) -> &mut Self {
        let (arm, _) = self.dag.arm(body);
        self.arms.push(arm);
        self
    }
}

/// The body of an instance or arm, and the nodes of enclosing bodies that it reads.
#[doc(hidden)]
pub struct NestedBody {
    pub(crate) dag: Result<Arc<AnyDag>, DagError>,
    pub(crate) outside: BTreeSet<(BodyId, u32)>,
}

/// The calls that the macro writes: first the arms, then the choice, so that rustc compares the output types of
/// the arms at the user's code.
impl<C: Send + Sync + 'static> DagBuilder<C> {
    #[doc(hidden)]
    pub fn arm<O>(
        &mut self,
        body: impl FnOnce(&mut Self) -> SagaOutput<O>,
    ) -> (NestedBody, Like<O>) {
        let inner = self.any.inner(Arc::default());
        (self.part(inner, body), Like::new())
    }

    /// Adds a choice between these arms, whose output is of the type that `_like` would return.
    #[doc(hidden)]
    pub fn choose_arm<K, O, F>(
        &mut self,
        name: &'static str,
        bindings: &[(&'static str, &[Source])],
        after: &[Source],
        arm: F,
        arms: Vec<NestedBody>,
        _like: impl FnOnce() -> O,
    ) -> OutputRef<K::Output<O>>
    where
        K: Choice,
        O: Send + Sync + 'static,
        F: for<'s> Fn(&'s Scope<C>) -> K + Send + Sync + 'static,
    {
        self.choose_of(name, bindings, after, arm, arms)
    }

    pub(crate) fn choose_of<K, O, F>(
        &mut self,
        name: &'static str,
        bindings: &[(&'static str, &[Source])],
        after: &[Source],
        arm: F,
        arms: Vec<NestedBody>,
    ) -> OutputRef<K::Output<O>>
    where
        K: Choice,
        O: Send + Sync + 'static,
        F: for<'s> Fn(&'s Scope<C>) -> K + Send + Sync + 'static,
    {
        let arm = Arc::new(SelectNumber::new(move |cx: &Scope<C>| arm(cx).arm()));
        let node = self.any.choose(name, bindings, after, arm, arms, K::gather::<O>);
        OutputRef::new(self.any.body(), node)
    }
}

impl AnyBuilder {
    fn choose(
        &mut self,
        name: &str,
        bindings: &[(&'static str, &[Source])],
        after: &[Source],
        arm: Arc<dyn Selector>,
        arms: Vec<NestedBody>,
        gather: Gather,
    ) -> NodeIndex {
        let added = self.read(name, bindings, after).and_then(|mut read| {
            let mut dags = Vec::with_capacity(arms.len());
            for arm in arms {
                read.around(self.body(), arm.outside);
                dags.push(arm.dag?);
            }
            if dags.is_empty() {
                return Err(DagError::NoArms(read.name));
            }
            let by = CompositeInput::Closure(arm, read.sources.clone());
            let choose = Choose { arms: dags, by, gather };
            Ok((AnyNode::with(read.name.clone(), NodeBody::Choose(choose)), read))
        });
        self.add(added)
    }
}
