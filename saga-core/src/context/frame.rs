//! The values of one run of a DAG. A frame knows the plan of the DAG and nothing that can be run, so that it
//! does not depend on the type of the user's context.

use std::any::Any;
use std::sync::{Arc, LazyLock, OnceLock};

use crate::error::ActionError;
use crate::names::{BodyId, NodeIndex, SagaName};
use crate::plan::Plan;
use crate::value::ActionOutput;

/// The values of one run of a DAG: its parameters, and the outputs of its nodes.
pub(crate) struct Frame {
    /// The durable name of the saga, or of the subsaga.
    pub(crate) saga: SagaName,
    /// The body of a typed definition that this is.
    pub(crate) body: BodyId,
    pub(crate) plan: Arc<Plan>,
    pub(crate) params: ActionOutput,
    /// Set if there are no parameters: then nothing in this frame runs.
    pub(crate) refused: Option<Box<ActionError>>,
    /// For an instance or an arm: the frame in which the names around it are looked up.
    pub(crate) outer: Option<Outer>,
    /// How many `for` loops it is inside of.
    pub(crate) lists: u32,
    /// The outputs, once they are known.
    pub(crate) outputs: Box<[OnceLock<NodeOutput>]>,
}

/// The values of a run, for an action that is asked what it would do with them.
pub struct KnownValues(pub(crate) Arc<Frame>);

/// The output of a node.
pub(crate) enum NodeOutput {
    There(FoundOutput),
    /// It is made when it is first read.
    Later(Box<LazyLock<FoundOutput, Box<dyn FnOnce() -> FoundOutput + Send>>>),
}

/// An output, or why there is none: that of a composite node is made of those of its parts, which can fail.
type FoundOutput = Result<ActionOutput, Box<ActionError>>;

/// The surroundings of an instance or arm.
pub(crate) struct Outer {
    pub(crate) frame: Arc<Frame>,
    pub(crate) node: NodeIndex,
    pub(crate) instance: Option<u32>,
    /// For an instance of a typed `for`: where it gets its item.
    pub(crate) items: Option<Arc<dyn ItemSource>>,
}

/// Gives the instances of a `for` their items. Frames do not know the type of the user's context, so the scope,
/// which does, is passed as `Any`.
pub(crate) trait ItemSource: Send + Sync {
    fn item<'s>(&'s self, scope: &'s dyn Any, index: usize) -> Option<&'s dyn Any>;
}

impl Frame {
    pub(crate) fn new(saga: SagaName, body: BodyId, plan: Arc<Plan>, params: ActionOutput) -> Self {
        let outputs = plan.nodes().iter().map(|_| OnceLock::new()).collect();
        Self { saga, body, plan, params, refused: None, outer: None, lists: 0, outputs }
    }

    fn found(&self, node: NodeIndex) -> Option<&FoundOutput> {
        Some(match self.outputs.get(node.index())?.get()? {
            NodeOutput::There(found) => found,
            NodeOutput::Later(made) => made,
        })
    }

    pub(crate) fn output(&self, node: NodeIndex) -> Option<&ActionOutput> {
        self.found(node)?.as_ref().ok()
    }

    /// Why a completed node has no output.
    pub(crate) fn broken(&self, node: NodeIndex) -> Option<&ActionError> {
        self.found(node)?.as_ref().err().map(|error| &**error)
    }

    /// True once the output of the node, or the reason for its absence, can be read.
    pub(crate) fn is_known(&self, node: NodeIndex) -> bool {
        self.outputs.get(node.index()).is_some_and(|slot| slot.get().is_some())
    }

    /// True if any node has completed.
    pub(crate) fn has_outputs(&self) -> bool {
        self.outputs.iter().any(|slot| slot.get().is_some())
    }

    pub(crate) fn put(&self, node: NodeIndex, output: Result<ActionOutput, ActionError>) {
        self.fill(node, NodeOutput::There(output.map_err(Box::new)));
    }

    /// Puts an output that is made when it is first read.
    pub(crate) fn put_later(
        &self,
        node: NodeIndex,
        make: impl FnOnce() -> Result<ActionOutput, ActionError> + Send + 'static,
    ) {
        let make = Box::new(|| make().map_err(Box::new));
        self.fill(node, NodeOutput::Later(Box::new(LazyLock::new(make))));
    }

    fn fill(&self, node: NodeIndex, output: NodeOutput) {
        if let Some(slot) = self.outputs.get(node.index()) {
            // A node succeeds only once.
            let _ = slot.set(output);
        }
    }

    /// The frame of this body: this frame or an enclosing one.
    pub(crate) fn enclosing(&self, body: BodyId) -> Option<&Self> {
        let mut frame = self;
        while frame.body != body {
            frame = &frame.outer.as_ref()?.frame;
        }
        Some(frame)
    }

    /// The item of this instance, read in this scope.
    pub(crate) fn item<'s>(&'s self, scope: &'s dyn Any, index: usize) -> Option<&'s dyn Any> {
        self.outer.as_ref()?.items.as_ref()?.item(scope, index)
    }
}
