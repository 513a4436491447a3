//! DAGs: the nodes of a saga, and which of them wait for which.

mod any;
mod any_builder;
mod any_node;
mod builder;
#[cfg(feature = "testing")]
mod changes;
mod composite;
#[cfg(feature = "testing")]
mod described;
#[cfg(feature = "testing")]
mod differences;
mod edges;
mod error;
mod export;
mod internal;
mod node;
mod node_body;
mod options;
mod outline;
mod pivot;
mod rebuild;
mod refused;
mod saga_dag;
mod same_parts;
mod shape;
mod stored;
mod topology;
mod wait;

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

pub use crate::names::{
    ActionName, EventName, EventType, InvalidName, NodeIndex, NodeName, SagaName,
};
pub use crate::plan::{Alternative, Plan, PlanKind, PlanNode};
pub use any::AnyDag;
pub(crate) use any_builder::{AnyBuilder, DEFAULT_MAX_NODES};
pub use any_node::AnyNode;
pub use builder::{DagBuilder, Placed};
#[cfg(feature = "testing")]
pub(crate) use changes::{Change, Consequence, changes};
pub(crate) use composite::{
    Choose, CompositeInput, ForEach, Gather, GatherTry, MakeParams, Params, Selector, Try,
    gather_part, join, mixed_up, null, owned,
};
#[cfg(feature = "testing")]
pub(crate) use described::{BadLine, Described, Value, key_and_value, quoted};
#[cfg(feature = "testing")]
pub(crate) use differences::differences;
pub use error::DagError;
pub(crate) use export::{stored_fingerprint, stored_version};
pub use internal::InternalNode;
pub use node::Node;
pub(crate) use node_body::{Compute, NodeBody};
pub(crate) use outline::{Holds, Outline, OutlineNode};
pub(crate) use refused::Refused;
pub use saga_dag::SagaDag;
pub(crate) use same_parts::same_parts;
pub(crate) use shape::{DagShape, StoredActions};
pub(crate) use wait::{ReadEvent, TimerTime, Wait, WaitFor, WaitOutput};

/// A finished DAG. It has been checked, is immutable, and is shared by all runs of the saga. What can be asked of
/// it does not depend on the type of the context `C`, and is in [`AnyDag`].
///
/// ```
/// use saga_core::dag::{DagBuilder, Node};
/// let mut dag = DagBuilder::<()>::new("Chain")?;
/// dag.append(Node::constant("first", 1)?)?;
/// dag.append(Node::constant("second", 2)?)?;
/// let dag = dag.build()?;
/// let second = dag.node_index("second").ok_or("not there")?;
/// assert_eq!(dag.node(second).map(|node| node.name().as_str()), Some("second"));
/// let before = dag.predecessors(second).map(|node| node.index()).collect::<Vec<_>>();
/// assert_eq!(before, [0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Dag<C> {
    any: Arc<AnyDag>,
    context: PhantomData<fn(C) -> C>,
}

impl<C> Dag<C> {
    /// The context of all its actions must be a `C`.
    pub(crate) fn of_any(any: Arc<AnyDag>) -> Self {
        Self { any, context: PhantomData }
    }

    pub(crate) fn any(&self) -> &Arc<AnyDag> {
        &self.any
    }
}

impl<C> Deref for Dag<C> {
    type Target = AnyDag;
    fn deref(&self) -> &AnyDag {
        &self.any
    }
}

impl<C> fmt::Debug for Dag<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.any.fmt(f)
    }
}
