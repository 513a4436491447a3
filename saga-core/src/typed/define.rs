//! From a saga's type to its DAG: runs [`Saga::define`] on a builder, and the bodies inside it on builders of their
//! own.

use std::sync::Arc;

use super::arms::NestedBody;
use super::{Saga, SagaOutput};
use crate::dag::{AnyBuilder, AnyDag, DEFAULT_MAX_NODES, Dag, DagBuilder, DagError};
use crate::names::{BodyId, NodeIndex, SagaName, Source};

impl<C: Send + Sync + 'static> Dag<C> {
    /// The DAG of a saga that was declared with `saga!` or by hand.
    ///
    /// # Errors
    /// [`DagError`] if the definition is not a valid DAG; `saga!` offers no way to write an invalid one.
    pub fn of<S: Saga<Context = C>>() -> Result<Self, DagError> {
        define::<S>(DEFAULT_MAX_NODES, Vec::new()).map(Self::of_any)
    }
}

/// The DAG of a saga that is nested in these sagas.
pub(crate) fn define<S: Saga>(
    max_nodes: usize,
    within: Vec<SagaName>,
) -> Result<Arc<AnyDag>, DagError> {
    let any = AnyBuilder::of_saga(S::NAME, S::PLACE, max_nodes, within)?.version(S::VERSION);
    let mut builder = DagBuilder::of_any(any);
    let end = S::define(&mut builder);
    builder.any.finish_typed(end.node)
}

impl<C: Send + Sync + 'static> DagBuilder<C> {
    /// Builds the body of an instance or arm, with a [builder](AnyBuilder::inner) of its own.
    // A body is a function of its own, and not a part of the function around it: see `DagBuilder::step_after`.
    #[inline(never)]
    pub(super) fn part<O>(
        &mut self,
        inner: AnyBuilder,
        body: impl FnOnce(&mut Self) -> SagaOutput<O>,
    ) -> NestedBody {
        let mut inner = Self::of_any(inner);
        let end = body(&mut inner);
        self.any.finish_part(inner.any, end.node)
    }
}

impl AnyBuilder {
    /// A builder for a saga that is nested in these sagas.
    fn of_saga(
        name: &str,
        place: &'static str,
        max_nodes: usize,
        within: Vec<SagaName>,
    ) -> Result<Self, DagError> {
        let name = SagaName::new(name)?;
        let known = within.iter().position(|outer| *outer == name);
        let within = within.into_iter().chain([name.clone()]).collect::<Vec<_>>();
        if let Some(first) = known {
            return Err(DagError::Recursive(within.into_iter().skip(first).collect()));
        }
        let mut builder = Self::with_name(name);
        (builder.place, builder.max_nodes, builder.within) = (place, max_nodes, within);
        Ok(builder)
    }

    /// A builder for a body inside this one.
    pub(super) fn inner(&self, items: Arc<[Source]>) -> Self {
        let body = BodyId(self.next_body);
        let mut inner = Self::with_name(self.name.clone());
        (inner.place, inner.max_nodes) = (self.place, self.max_nodes);
        inner.within = self.within.clone();
        inner.bodies = self.bodies.iter().cloned().chain([(body, items)]).collect();
        inner.next_body = self.next_body + 1;
        inner
    }

    /// Finishes a typed definition or body, which ends with this node.
    fn finish_typed(self, end: Option<(BodyId, NodeIndex)>) -> Result<Arc<AnyDag>, DagError> {
        if self.errors.is_empty() && end.is_some_and(|(body, _)| body != self.body()) {
            let node = format!("{} (its last line)", self.name);
            return Err(DagError::NotVisible { node, what: "a node" });
        }
        self.finish(end.map(|(_, node)| node)).map(Arc::new)
    }

    /// Finishes a body inside this one. The node that runs it waits for everything that it reads from enclosing
    /// bodies.
    fn finish_part(&mut self, mut inner: Self, end: Option<(BodyId, NodeIndex)>) -> NestedBody {
        self.next_body = inner.next_body;
        let outside = std::mem::take(&mut inner.outside);
        NestedBody { dag: inner.finish_typed(end), outside }
    }
}
