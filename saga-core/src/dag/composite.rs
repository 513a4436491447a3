//! Composite nodes, which contain other nodes: a `for`, a choice, a `try`, a subsaga. This decides how many instances
//! there are, which arm runs, and with what parameters a subsaga runs, and assembles the output of the node
//! from those of its parts.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::AnyDag;
use crate::context::{Frame, ItemSource};
use crate::error::ActionError;
use crate::log::{Payload, TryFailure};
use crate::names::NodeName;
use crate::names::Source;
use crate::value::ActionOutput;

/// Assembles the output of a node from the outputs of its parts, which it owns.
pub(crate) type Gather = fn(Vec<ActionOutput>) -> Result<ActionOutput, ActionError>;

/// What a composite node decides by: the output of an earlier node, or a closure and the sources that it reads.
pub(crate) enum CompositeInput<F: ?Sized> {
    Output(NodeName),
    Closure(Arc<F>, Arc<[Source]>),
}

impl<F: ?Sized> Clone for CompositeInput<F> {
    fn clone(&self) -> Self {
        match self {
            Self::Output(name) => Self::Output(name.clone()),
            Self::Closure(closure, sources) => Self::Closure(closure.clone(), sources.clone()),
        }
    }
}

impl<F: ?Sized> CompositeInput<F> {
    /// The earlier node, if it is an output.
    pub(crate) fn node(&self) -> Option<&NodeName> {
        match self {
            Self::Output(name) => Some(name),
            Self::Closure(..) => None,
        }
    }
}

/// A node that runs one body for each item.
#[derive(Clone)]
pub(crate) struct ForEach {
    pub(crate) body: Arc<AnyDag>,
    pub(crate) items: CompositeInput<dyn Selector>,
    pub(crate) gather: Gather,
}

impl ForEach {
    /// How many instances there are.
    pub(crate) fn width(&self, frame: &Arc<Frame>) -> Result<u64, ActionError> {
        match &self.items {
            CompositeInput::Output(_) => Ok(self.listed(frame)?.len() as u64),
            CompositeInput::Closure(closure, sources) => {
                Ok(closure.select(frame, sources)?.unwrap_or_default() as u64)
            }
        }
    }

    /// The items, if the body is a DAG of its own.
    pub(crate) fn listed(&self, frame: &Arc<Frame>) -> Result<Vec<Box<RawValue>>, ActionError> {
        let CompositeInput::Output(name) = &self.items else { return Ok(Vec::new()) };
        decide(frame, name, "a list")
    }

    /// What gives the instances their items, if a closure does.
    pub(crate) fn item_source(&self) -> Option<Arc<dyn ItemSource>> {
        match &self.items {
            CompositeInput::Output(_) => None,
            CompositeInput::Closure(closure, _) => Some(closure.clone()),
        }
    }
}

/// A node that runs one of several arms, or none.
#[derive(Clone)]
pub(crate) struct Choose {
    pub(crate) arms: Vec<Arc<AnyDag>>,
    pub(crate) by: CompositeInput<dyn Selector>,
    pub(crate) gather: Gather,
}

impl Choose {
    /// The number of the arm that runs; the count of arms if none does.
    pub(crate) fn arm(&self, frame: &Arc<Frame>) -> Result<u64, ActionError> {
        let arms = self.arms.len();
        let arm = match &self.by {
            CompositeInput::Output(name) => {
                decide::<Option<usize>>(frame, name, "an arm's number")?
            }
            CompositeInput::Closure(closure, sources) => closure.select(frame, sources)?,
        };
        match arm {
            None => Ok(arms as u64),
            Some(arm) if arm < arms => Ok(arm as u64),
            Some(arm) => {
                let why = format!("arm {arm} is chosen, and the last one is {}", arms - 1);
                Err(ActionError::from_error(why))
            }
        }
    }
}

/// Assembles the output of a `try` from that of the part which has run to its end; without an `else`, from the failure.
pub(crate) type GatherTry =
    fn(Result<ActionOutput, TryFailure>) -> Result<ActionOutput, ActionError>;

/// A node that runs a body, and something else if a node of the body fails for good.
#[derive(Clone)]
pub(crate) struct Try {
    /// The body, and the `else` if there is one.
    pub(crate) parts: Vec<Arc<AnyDag>>,
    pub(crate) gather: GatherTry,
}

/// The output of a node, decoded as what the decision needs.
fn decide<T: for<'d> Deserialize<'d>>(
    frame: &Arc<Frame>,
    name: &NodeName,
    what: &str,
) -> Result<T, ActionError> {
    let output = frame.plan.node_index(name.as_str()).and_then(|node| frame.output(node));
    let read = output.and_then(|output| serde_json::from_slice(output.payload.as_bytes()).ok());
    read.ok_or_else(|| ActionError::from_error(format!("the output of `{name}` is not {what}")))
}

/// Decides how many instances there are, or which arm runs; `None` for no arm. Gives instances their items.
pub(crate) trait Selector: ItemSource {
    fn select(
        &self,
        frame: &Arc<Frame>,
        sources: &Arc<[Source]>,
    ) -> Result<Option<usize>, ActionError>;
}

/// Computes the parameters of a subsaga.
pub(crate) trait MakeParams: Send + Sync {
    fn make(&self, frame: &Arc<Frame>, sources: &Arc<[Source]>) -> Params;
}

/// The parameters of a subsaga, or why there are none.
pub(crate) type Params = Result<ActionOutput, ActionError>;

/// The outputs of all instances as one list of JSON values.
pub(crate) fn gather_list(parts: Vec<ActionOutput>) -> Result<ActionOutput, ActionError> {
    ActionOutput::decode::<serde_json::Value>(&join(&parts))
}

/// The output of the arm that ran, or null.
pub(crate) fn gather_arm(mut parts: Vec<ActionOutput>) -> Result<ActionOutput, ActionError> {
    parts.pop().map_or_else(|| ActionOutput::decode::<serde_json::Value>(&null()), Ok)
}

/// The output of the part of a `try` that has run to its end.
pub(crate) fn gather_part(
    part: Result<ActionOutput, TryFailure>,
) -> Result<ActionOutput, ActionError> {
    part.map_err(|_| mixed_up())
}

/// The output of a body, or its failure, as JSON.
pub(crate) fn gather_result(
    part: Result<ActionOutput, TryFailure>,
) -> Result<ActionOutput, ActionError> {
    let json = match part {
        Ok(output) => [b"{\"Ok\":", output.payload.as_bytes(), b"}"].concat(),
        Err(failure) => serde_json::to_vec(&Err::<(), _>(failure))
            .map_err(|why| ActionError::SerializeFailed { message: why.to_string() })?,
    };
    ActionOutput::decode::<serde_json::Value>(&json.into())
}

pub(crate) fn join(parts: &[ActionOutput]) -> Payload {
    let mut json = vec![b'['];
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            json.push(b',');
        }
        json.extend_from_slice(part.payload.as_bytes());
    }
    json.push(b']');
    json.into()
}

pub(crate) fn null() -> Payload {
    b"null".as_slice().into()
}

pub(crate) fn owned<O: Send + Sync + 'static>(
    part: ActionOutput,
) -> Result<(O, Payload), ActionError> {
    let value = part.value.take().and_then(|value| value.downcast::<O>().ok());
    let value = value.and_then(Arc::into_inner);
    value.map(|value| (value, part.payload)).ok_or_else(mixed_up)
}

/// The types of a definition rule this out.
pub(crate) fn mixed_up() -> ActionError {
    let message = "a part has an output of another type than its node".to_string();
    ActionError::DeserializeFailed { message }
}
