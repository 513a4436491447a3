//! What a node runs: an action, a value, or other DAGs. To add a kind of node, add a variant here; the compiler then
//! lists the places that must know it.

use std::sync::Arc;

use super::AnyDag;
use super::composite::{Choose, CompositeInput, ForEach, MakeParams, Try};
use super::wait::Wait;
use crate::action::AnyAction;
use crate::context::{ActionContext, AnyContext};
use crate::error::ActionError;
use crate::log::Payload;
use crate::names::NodeName;
use crate::value::{ActionOutput, OutputType};

/// What a node runs.
#[derive(Clone)]
pub(crate) enum NodeBody {
    Action(Arc<AnyAction>),
    Constant {
        output: ActionOutput,
        output_type: OutputType,
        decode: fn(&Payload) -> Result<ActionOutput, ActionError>,
    },
    Computed(Arc<dyn Compute>),
    /// Another DAG in this node's place.
    Subsaga {
        dag: Arc<AnyDag>,
        params: CompositeInput<dyn MakeParams>,
    },
    ForEach(ForEach),
    Choose(Choose),
    Wait(Wait),
    Try(Try),
}

impl NodeBody {
    /// The action, if the node runs one.
    pub(crate) fn action(&self) -> Option<&Arc<AnyAction>> {
        match self {
            Self::Action(action) => Some(action),
            Self::Constant { .. }
            | Self::Computed(_)
            | Self::Subsaga { .. }
            | Self::ForEach(_)
            | Self::Choose(_)
            | Self::Wait(_)
            | Self::Try(_) => None,
        }
    }

    /// The type of the output, if it is known; that of a composite node follows from those of its parts.
    pub(crate) fn output_type(&self) -> Option<OutputType> {
        match self {
            Self::Action(action) => action.output_type(),
            Self::Constant { output_type, .. } => Some(*output_type),
            Self::Computed(computed) => Some(computed.output_type()),
            Self::Wait(wait) => Some(wait.output.output_type),
            Self::Subsaga { .. } | Self::ForEach(_) | Self::Choose(_) | Self::Try(_) => None,
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
            | Self::Choose(_)
            | Self::Wait(_)
            | Self::Try(_) => None,
        }
    }

    /// The DAGs that the node contains.
    pub(crate) fn parts(&self) -> &[Arc<AnyDag>] {
        match self {
            Self::Action(_) | Self::Constant { .. } | Self::Computed(_) | Self::Wait(_) => &[],
            Self::Subsaga { dag, .. } => std::slice::from_ref(dag),
            Self::ForEach(each) => std::slice::from_ref(&each.body),
            Self::Choose(choose) => &choose.arms,
            Self::Try(attempt) => &attempt.parts,
        }
    }

    /// The node of the same DAG whose output decides what this node runs.
    pub(crate) fn reads(&self) -> Option<&NodeName> {
        match self {
            Self::Action(_)
            | Self::Constant { .. }
            | Self::Computed(_)
            | Self::Wait(_)
            | Self::Try(_) => None,
            Self::Subsaga { params, .. } => params.node(),
            Self::ForEach(each) => each.items.node(),
            Self::Choose(choose) => choose.by.node(),
        }
    }
}

/// A value that is computed from earlier outputs.
pub(crate) trait Compute: Send + Sync {
    fn compute(&self, cx: ActionContext<AnyContext>) -> Result<ActionOutput, ActionError>;
    fn decode(&self, payload: &Payload) -> Result<ActionOutput, ActionError>;

    /// The type of the value.
    fn output_type(&self) -> OutputType;
}
