//! A DAG that was built at run time, together with the parameters of one run.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::{AnyNode, Dag};
use crate::error::ActionError;
use crate::log::Payload;
use crate::names::{NodeIndex, SagaName};
use crate::value::encode;

/// One run of a DAG whose actions look up their inputs by name. It is immutable.
///
/// ```
/// use saga_core::action::ActionFunc;
/// use saga_core::dag::{DagBuilder, Node, SagaDag};
/// use saga_core::BoxError;
/// let greet = ActionFunc::<(), String>::new_noop_undo("greet", |cx: saga_core::ActionContext<()>| async move {
///     let name = cx.saga_params::<String>()?;
///     Ok::<_, BoxError>(format!("hello {name}"))
/// })?;
/// let mut dag = DagBuilder::new("Greet")?;
/// dag.append(Node::action("greet", greet)?)?;
/// let saga = SagaDag::new(dag.build()?, &"Ada")?;
/// assert_eq!(saga.saga_name().as_str(), "Greet");
/// # Ok::<(), BoxError>(())
/// ```
pub struct SagaDag<C> {
    pub(crate) dag: Arc<Dag<C>>,
    pub(crate) params: Payload,
}

impl<C> Clone for SagaDag<C> {
    fn clone(&self) -> Self {
        Self { dag: self.dag.clone(), params: self.params.clone() }
    }
}

impl<C: Send + Sync + 'static> SagaDag<C> {
    /// Combines a DAG with its parameters, which actions read with
    /// [`cx.saga_params`](crate::ActionContext::saga_params).
    ///
    /// # Errors
    /// [`ActionError::SerializeFailed`] if the parameters cannot be encoded.
    pub fn new<P: Serialize + ?Sized>(
        dag: impl Into<Arc<Dag<C>>>,
        params: &P,
    ) -> Result<Self, ActionError> {
        Ok(Self { dag: dag.into(), params: encode(params)? })
    }

    /// The saga's durable name.
    pub fn saga_name(&self) -> &SagaName {
        self.dag.name()
    }

    /// Returns the finished DAG.
    pub fn dag(&self) -> &Arc<Dag<C>> {
        &self.dag
    }

    /// The node with this name.
    pub fn node(&self, name: &str) -> Option<&AnyNode> {
        self.dag.node(self.dag.node_index(name)?)
    }

    /// The index of the node with this name.
    pub fn node_index(&self, name: &str) -> Option<NodeIndex> {
        self.dag.node_index(name)
    }

    /// The nodes, in the order of declaration.
    pub fn nodes(&self) -> impl Iterator<Item = &AnyNode> {
        self.dag.nodes()
    }
}

impl<C: 'static> fmt::Debug for SagaDag<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SagaDag").field("dag", &self.dag).field("params", &self.params).finish()
    }
}
