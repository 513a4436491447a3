//! Builds a DAG: stage by stage, or with edges between named nodes. Typed steps are added by `typed::steps`.

use std::marker::PhantomData;
use std::sync::Arc;

use super::{AnyBuilder, Dag, DagError, Node};
use crate::names::{InvalidName, NodeIndex, SagaName};

/// Builds a [`Dag`].
///
/// ```
/// use saga_core::action::ActionFunc;
/// use saga_core::dag::{DagBuilder, Node};
/// use saga_core::BoxError;
/// # fn act(name: &str) -> ActionFunc<(), u32> {
/// #     ActionFunc::new_noop_undo(name, |_| async { Ok::<_, BoxError>(1) }).unwrap()
/// # }
/// let mut dag = DagBuilder::<()>::new("Order")?;
/// dag.append(Node::action("validate", act("validate"))?)?;
/// dag.append_parallel([
///     Node::action("payment", act("pay"))?,
///     Node::action("inventory", act("reserve"))?,
/// ])?;
/// dag.append(Node::action("confirm", act("confirm"))?)?;
/// let dag = dag.build()?;
/// assert_eq!(dag.len(), 4);
/// # Ok::<(), saga_core::dag::DagError>(())
/// ```
pub struct DagBuilder<C> {
    pub(crate) any: AnyBuilder,
    context: PhantomData<fn(C) -> C>,
}

impl<C> DagBuilder<C> {
    pub(crate) fn of_any(any: AnyBuilder) -> Self {
        Self { any, context: PhantomData }
    }
}

impl<C: Send + Sync + 'static> DagBuilder<C> {
    /// A builder without nodes.
    ///
    /// # Errors
    /// [`InvalidName`] if the name cannot be a saga's.
    pub fn new(name: impl AsRef<str>) -> Result<Self, InvalidName> {
        Ok(Self::of_any(AnyBuilder::with_name(SagaName::new(name)?)))
    }

    /// Sets the version of the saga, which is part of the DAG's fingerprint; by default 1.
    pub fn version(&mut self, version: u32) -> &mut Self {
        self.any.version = version;
        self
    }

    /// Sets the maximum number of nodes, including those of bodies, arms and subsagas; default 10 000.
    pub fn max_nodes(&mut self, limit: usize) -> &mut Self {
        self.any.max_nodes = limit;
        self
    }

    /// Adds a node that waits for everything before it.
    ///
    /// # Errors
    /// [`DagError::AlreadyExists`]; the builder is then unchanged.
    pub fn append(&mut self, node: Node<C>) -> Result<&mut Self, DagError> {
        self.any.append(node.into_any())?;
        Ok(self)
    }

    /// Adds a stage: nodes that run in parallel and wait for everything before them.
    ///
    /// # Errors
    /// [`DagError::EmptyStage`], [`DagError::AlreadyExists`]; the builder is then unchanged.
    pub fn append_parallel(
        &mut self,
        nodes: impl IntoIterator<Item = Node<C>>,
    ) -> Result<&mut Self, DagError> {
        self.any.append_parallel(nodes.into_iter().map(Node::into_any).collect())?;
        Ok(self)
    }

    /// Adds a node outside the stages: it waits only for the nodes that are named with [`Placed::after`], and
    /// the stages do not wait for it.
    ///
    /// # Errors
    /// [`DagError::AlreadyExists`]; the builder is then unchanged.
    pub fn node(&mut self, node: Node<C>) -> Result<Placed<'_>, DagError> {
        let index = self.any.node(node.into_any())?;
        Ok(Placed { builder: &mut self.any, index })
    }

    /// Names the node whose output is the output of the saga. By default it is the last node, if there is only
    /// one.
    pub fn output(&mut self, name: impl Into<String>) -> &mut Self {
        self.any.output = Some(name.into());
        self
    }

    /// Returns the finished DAG.
    ///
    /// # Errors
    /// The first [`DagError`] that was found.
    pub fn build(self) -> Result<Dag<C>, DagError> {
        Ok(Dag::of_any(Arc::new(self.any.build()?)))
    }

    /// Returns the finished DAG, which must have an output: that of the named node, or of its only last node.
    ///
    /// # Errors
    /// [`DagError::LeafCount`], and those of [`build`](Self::build).
    pub fn build_with_output(self) -> Result<Dag<C>, DagError> {
        let dag = self.build()?;
        if dag.output().is_none() {
            let leaves = dag.plan().leaves().iter().filter_map(|l| dag.node(NodeIndex(*l)));
            return Err(DagError::LeafCount(leaves.map(|n| n.name.clone()).collect()));
        }
        Ok(dag)
    }
}

/// A node that was just added with [`DagBuilder::node`].
pub struct Placed<'b> {
    builder: &'b mut AnyBuilder,
    index: u32,
}

impl Placed<'_> {
    /// Makes the node wait for the nodes with these names, which may be added later; `build` checks them.
    pub fn after<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> Self {
        let named = names.into_iter().map(|name| (self.index, name.into()));
        self.builder.named.extend(named);
        self
    }

    /// The index of the node.
    pub fn index(&self) -> NodeIndex {
        NodeIndex(self.index)
    }
}
