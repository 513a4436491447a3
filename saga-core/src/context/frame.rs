//! The values of one run of a DAG.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use crate::error::ActionError;
use crate::names::{BodyId, NodeIndex, SagaName};
use crate::plan::Plan;
use crate::value::ActionOutput;

/// The values of one run of a DAG: its parameters, and what its nodes have returned.
pub(crate) struct Frame {
    /// The durable name of the saga, or of the subsaga.
    pub(crate) saga: SagaName,
    /// Which body of a typed definition it is.
    pub(crate) body: BodyId,
    pub(crate) plan: Arc<Plan>,
    pub(crate) params: ActionOutput,
    /// Why there are no parameters: then nothing in this frame runs.
    pub(crate) refused: Option<ActionError>,
    /// Of an instance or arm: where the names around it are found.
    pub(crate) outer: Option<Outer>,
    /// What a node that holds others gives can fail to be put together.
    pub(crate) outputs: Box<[OnceLock<Result<ActionOutput, ActionError>>]>,
}

/// The place of an instance or arm.
pub(crate) struct Outer {
    pub(crate) frame: Arc<Frame>,
    pub(crate) node: NodeIndex,
    pub(crate) instance: Option<u32>,
    /// Of an instance of a typed `for`: what gives it its item.
    pub(crate) items: Option<Arc<dyn ItemSource>>,
}

/// What gives the instances of a `for` their items. Frames know no type of context, so that the scope, whose type
/// has one, is passed as `Any`.
pub(crate) trait ItemSource: Send + Sync {
    fn item<'s>(&'s self, scope: &'s dyn Any, index: usize) -> Option<&'s dyn Any>;
}

impl Frame {
    pub(crate) fn new(saga: SagaName, body: BodyId, plan: Arc<Plan>, params: ActionOutput) -> Self {
        let outputs = plan.nodes().iter().map(|_| OnceLock::new()).collect();
        Self { saga, body, plan, params, refused: None, outer: None, outputs }
    }

    pub(crate) fn output(&self, node: NodeIndex) -> Option<&ActionOutput> {
        self.outputs.get(node.index())?.get()?.as_ref().ok()
    }

    /// Why a node that has completed has no output.
    pub(crate) fn broken(&self, node: NodeIndex) -> Option<&ActionError> {
        self.outputs.get(node.index())?.get()?.as_ref().err()
    }

    /// True once it is known what the node gives.
    pub(crate) fn is_known(&self, node: NodeIndex) -> bool {
        self.outputs.get(node.index()).is_some_and(|slot| slot.get().is_some())
    }

    /// True if a node has completed.
    pub(crate) fn has_outputs(&self) -> bool {
        self.outputs.iter().any(|slot| slot.get().is_some())
    }

    pub(crate) fn put(&self, node: NodeIndex, output: Result<ActionOutput, ActionError>) {
        if let Some(slot) = self.outputs.get(node.index()) {
            // a node succeeds once
            let _ = slot.set(output);
        }
    }

    /// The frame of this body: this one, or one around it.
    pub(crate) fn enclosing(&self, body: BodyId) -> Option<&Self> {
        let mut frame = self;
        while frame.body != body {
            frame = &frame.outer.as_ref()?.frame;
        }
        Some(frame)
    }

    /// The item that this instance runs for, read in this scope.
    pub(crate) fn item<'s>(&'s self, scope: &'s dyn Any, index: usize) -> Option<&'s dyn Any> {
        self.outer.as_ref()?.items.as_ref()?.item(scope, index)
    }
}
