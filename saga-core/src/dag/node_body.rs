//! What a node runs: an action, a value, or other DAGs. To add a kind of node, add a variant here; the compiler then
//! lists the places that must know it.

use std::sync::Arc;

use super::Dag;
use super::composite::{Choose, CompositeInput, ForEach, MakeParams};
use crate::action::Action;
use crate::context::ActionContext;
use crate::error::ActionError;
use crate::log::Payload;
use crate::names::NodeName;
use crate::value::ActionOutput;

/// What a node runs.
pub(crate) enum NodeBody<C> {
    Action(Arc<dyn Action<C>>),
    Constant {
        output: ActionOutput,
        decode: fn(&Payload) -> Result<ActionOutput, ActionError>,
    },
    Computed(Arc<dyn Compute<C>>),
    /// Another DAG in this node's place.
    Subsaga {
        dag: Arc<Dag<C>>,
        params: CompositeInput<dyn MakeParams<C>>,
    },
    ForEach(ForEach<C>),
    Choose(Choose<C>),
}

impl<C> NodeBody<C> {
    /// The action, if the node runs one.
    pub(crate) fn action(&self) -> Option<&Arc<dyn Action<C>>> {
        match self {
            Self::Action(action) => Some(action),
            Self::Constant { .. }
            | Self::Computed(_)
            | Self::Subsaga { .. }
            | Self::ForEach(_)
            | Self::Choose(_) => None,
        }
    }

    /// The value, if the node is a constant.
    pub(crate) fn constant(&self) -> Option<&ActionOutput> {
        match self {
            Self::Constant { output, .. } => Some(output),
            Self::Action(_)
            | Self::Computed(_)
            | Self::Subsaga { .. }
            | Self::ForEach(_)
            | Self::Choose(_) => None,
        }
    }

    /// The DAGs that the node contains.
    pub(crate) fn parts(&self) -> &[Arc<Dag<C>>] {
        match self {
            Self::Action(_) | Self::Constant { .. } | Self::Computed(_) => &[],
            Self::Subsaga { dag, .. } => std::slice::from_ref(dag),
            Self::ForEach(each) => std::slice::from_ref(&each.body),
            Self::Choose(choose) => &choose.arms,
        }
    }

    /// The node of the same DAG whose output decides what this node runs.
    pub(crate) fn reads(&self) -> Option<&NodeName> {
        match self {
            Self::Action(_) | Self::Constant { .. } | Self::Computed(_) => None,
            Self::Subsaga { params, .. } => params.node(),
            Self::ForEach(each) => each.items.node(),
            Self::Choose(choose) => choose.by.node(),
        }
    }
}

impl<C> Clone for NodeBody<C> {
    fn clone(&self) -> Self {
        match self {
            Self::Action(action) => Self::Action(action.clone()),
            Self::Constant { output, decode } => {
                Self::Constant { output: output.clone(), decode: *decode }
            }
            Self::Computed(compute) => Self::Computed(compute.clone()),
            Self::Subsaga { dag, params } => {
                Self::Subsaga { dag: dag.clone(), params: params.clone() }
            }
            Self::ForEach(each) => Self::ForEach(each.clone()),
            Self::Choose(choose) => Self::Choose(choose.clone()),
        }
    }
}

/// A value that is computed from earlier outputs.
pub(crate) trait Compute<C>: Send + Sync {
    fn compute(&self, cx: ActionContext<C>) -> Result<ActionOutput, ActionError>;
    fn decode(&self, payload: &Payload) -> Result<ActionOutput, ActionError>;
}
