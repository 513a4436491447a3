//! From a saga's type to its DAG: runs [`Saga::define`] on a builder, and the bodies inside it on builders of their
//! own.

use std::sync::Arc;

use super::arms::NestedBody;
use super::{Saga, SagaOutput};
use crate::dag::builder::DEFAULT_MAX_NODES;
use crate::dag::{Dag, DagBuilder, DagError};
use crate::names::{BodyId, NodeIndex, SagaName, Source};

impl<C: Send + Sync + 'static> Dag<C> {
    /// The DAG of a saga that was declared with `saga!` or by hand.
    ///
    /// # Errors
    /// [`DagError`] if the definition is not a valid DAG; `saga!` offers no way to write an invalid one.
    pub fn of<S: Saga<Context = C>>() -> Result<Self, DagError> {
        Self::of_at_most::<S>(DEFAULT_MAX_NODES)
    }

    pub(crate) fn of_at_most<S: Saga<Context = C>>(max_nodes: usize) -> Result<Self, DagError> {
        DagBuilder::define::<S>(max_nodes, Vec::new())
    }
}

impl<C: Send + Sync + 'static> DagBuilder<C> {
    /// The DAG of a saga that is nested in these sagas.
    pub(crate) fn define<S: Saga<Context = C>>(
        max_nodes: usize,
        within: Vec<SagaName>,
    ) -> Result<Dag<C>, DagError> {
        let name = SagaName::new(S::NAME)?;
        let known = within.iter().position(|outer| *outer == name);
        let within = within.into_iter().chain([name.clone()]).collect::<Vec<_>>();
        if let Some(first) = known {
            return Err(DagError::Recursive(within.into_iter().skip(first).collect()));
        }
        let mut builder = Self::with_name(name);
        (builder.place, builder.max_nodes, builder.within) = (S::PLACE, max_nodes, within);
        let end = S::define(&mut builder);
        builder.finish_typed(end.node)
    }

    /// A builder for a body inside this one.
    pub(crate) fn inner(&mut self, items: Arc<[Source]>) -> Self {
        let body = BodyId(self.next_body);
        let mut inner = Self::with_name(self.name.clone());
        (inner.place, inner.max_nodes) = (self.place, self.max_nodes);
        inner.within = self.within.clone();
        inner.bodies = self.bodies.iter().cloned().chain([(body, items)]).collect();
        inner.next_body = self.next_body + 1;
        inner
    }

    /// Finishes a typed definition or body, which ends with this node.
    pub(crate) fn finish_typed(self, end: Option<(BodyId, NodeIndex)>) -> Result<Dag<C>, DagError> {
        if self.errors.is_empty() && end.is_some_and(|(body, _)| body != self.body()) {
            let node = format!("{} (its last line)", self.name);
            return Err(DagError::NotVisible { node, what: "a node" });
        }
        self.finish(end.map(|(_, node)| node))
    }

    /// Builds the body of an instance or arm. The node that runs it waits for everything that it reads from
    /// enclosing bodies.
    pub(crate) fn part<O>(
        &mut self,
        mut inner: Self,
        body: impl FnOnce(&mut Self) -> SagaOutput<O>,
    ) -> NestedBody<C> {
        let end = body(&mut inner);
        self.next_body = inner.next_body;
        let outside = std::mem::take(&mut inner.outside);
        NestedBody { dag: inner.finish_typed(end.node), outside }
    }
}
