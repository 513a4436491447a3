//! Nodes that hold others: what decides how many instances there are, which arm runs, with what
//! parameters a subsaga does, and what becomes of the outputs.

use std::any::Any;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Dag;
use crate::context::Frame;
use crate::error::ActionError;
use crate::log::Payload;
use crate::names::NodeName;
use crate::panics;
use crate::typed::{Scope, Source};
use crate::value::{ActionData, ActionOutput};

/// Makes the output of a node out of those of its parts, which nobody else has.
pub(crate) type Gather = fn(Vec<ActionOutput>) -> Result<ActionOutput, ActionError>;

/// Where a node reads what it decides by: the output of an earlier node, or a closure and what this reads.
pub(crate) enum Read<F: ?Sized> {
    Output(NodeName),
    Closure(Arc<F>, Arc<[Source]>),
}

impl<F: ?Sized> Clone for Read<F> {
    fn clone(&self) -> Self {
        match self {
            Self::Output(name) => Self::Output(name.clone()),
            Self::Closure(closure, sources) => Self::Closure(closure.clone(), sources.clone()),
        }
    }
}

impl<F: ?Sized> Read<F> {
    /// The node, if it is an output.
    pub(crate) fn node(&self) -> Option<&NodeName> {
        match self {
            Self::Output(name) => Some(name),
            Self::Closure(..) => None,
        }
    }
}

/// A node that runs one body for each item.
pub(crate) struct ForEach<C> {
    pub(crate) body: Arc<Dag<C>>,
    pub(crate) items: Read<dyn Pick<C>>,
    pub(crate) gather: Gather,
}

impl<C> Clone for ForEach<C> {
    fn clone(&self) -> Self {
        let (body, items) = (self.body.clone(), self.items.clone());
        Self { body, items, gather: self.gather }
    }
}

impl<C: Send + Sync + 'static> ForEach<C> {
    /// How many instances there are.
    pub(crate) fn width(&self, frame: &Arc<Frame<C>>) -> Result<u64, ActionError> {
        match &self.items {
            Read::Output(_) => Ok(self.listed(frame)?.len() as u64),
            Read::Closure(closure, sources) => {
                let width = evaluate(frame, sources, |cx| closure.pick(cx))?;
                Ok(width.unwrap_or_default() as u64)
            }
        }
    }

    /// The items of a body that is a DAG of its own.
    pub(crate) fn listed(&self, frame: &Arc<Frame<C>>) -> Result<Vec<Box<RawValue>>, ActionError> {
        let Read::Output(name) = &self.items else { return Ok(Vec::new()) };
        decide(frame, name, "a list")
    }

    /// The item of one instance.
    pub(crate) fn item<'s>(&'s self, cx: &'s Scope<C>, index: usize) -> Option<&'s dyn Any> {
        match &self.items {
            Read::Output(_) => None,
            Read::Closure(closure, _) => closure.item(cx, index),
        }
    }
}

/// A node that runs one of several bodies, or none.
pub(crate) struct Choose<C> {
    pub(crate) arms: Vec<Arc<Dag<C>>>,
    pub(crate) by: Read<dyn Pick<C>>,
    pub(crate) gather: Gather,
}

impl<C> Clone for Choose<C> {
    fn clone(&self) -> Self {
        Self { arms: self.arms.clone(), by: self.by.clone(), gather: self.gather }
    }
}

impl<C: Send + Sync + 'static> Choose<C> {
    /// Which arm runs; the number of arms if none does.
    pub(crate) fn arm(&self, frame: &Arc<Frame<C>>) -> Result<u64, ActionError> {
        let arms = self.arms.len();
        let arm = match &self.by {
            Read::Output(name) => decide::<C, Option<usize>>(frame, name, "an arm's number")?,
            Read::Closure(closure, sources) => evaluate(frame, sources, |cx| closure.pick(cx))?,
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

/// The output of a node, read as what it must be to decide something.
fn decide<C: Send + Sync + 'static, T: for<'d> Deserialize<'d>>(
    frame: &Arc<Frame<C>>,
    name: &NodeName,
    what: &str,
) -> Result<T, ActionError> {
    let output = frame.dag.node_index(name.as_str()).and_then(|node| frame.output(node));
    let read = output.and_then(|output| serde_json::from_slice(output.payload.as_bytes()).ok());
    read.ok_or_else(|| ActionError::from_error(format!("the output of `{name}` is not {what}")))
}

/// Computes something that only reads values, with panics caught.
fn evaluate<C: Send + Sync + 'static, T>(
    frame: &Arc<Frame<C>>,
    sources: &Arc<[Source]>,
    closure: impl FnOnce(&Scope<C>) -> T,
) -> Result<T, ActionError> {
    if let Some(error) = &frame.refused {
        return Err(error.clone());
    }
    let scope = Scope::pure(frame.clone(), sources.clone());
    catch_unwind(AssertUnwindSafe(|| closure(&scope))).map_err(|panic| {
        let message = panics::message(panic);
        ActionError::from_error(format!("what the node runs cannot be computed: {message}"))
    })
}

/// Decides how many instances or which arm; none: no arm.
pub(crate) trait Pick<C>: Send + Sync {
    fn pick(&self, cx: &Scope<C>) -> Option<usize>;

    fn item<'s>(&'s self, _cx: &'s Scope<C>, _index: usize) -> Option<&'s dyn Any> {
        None
    }
}

/// The items of a `for`, borrowed from what its closure reads.
pub(crate) struct Slice<F, T>(pub(crate) F, pub(crate) PhantomData<fn() -> T>);

impl<C, T, F> Pick<C> for Slice<F, T>
where
    T: 'static,
    F: for<'s> Fn(&'s Scope<C>) -> &'s [T] + Send + Sync,
{
    fn pick(&self, cx: &Scope<C>) -> Option<usize> {
        Some((self.0)(cx).len())
    }

    fn item<'s>(&'s self, cx: &'s Scope<C>, index: usize) -> Option<&'s dyn Any> {
        (self.0)(cx).get(index).map(|item| item as &dyn Any)
    }
}

/// Only a number.
pub(crate) struct Number<F>(pub(crate) F);

impl<C, F> Pick<C> for Number<F>
where
    F: for<'s> Fn(&'s Scope<C>) -> Option<usize> + Send + Sync,
{
    fn pick(&self, cx: &Scope<C>) -> Option<usize> {
        (self.0)(cx)
    }
}

/// Makes the parameters of a subsaga.
pub(crate) trait MakeParams<C>: Send + Sync {
    fn make(&self, frame: &Arc<Frame<C>>, sources: &Arc<[Source]>) -> Params;
}

/// The parameters of a subsaga, or why there are none.
pub(crate) type Params = Result<ActionOutput, ActionError>;

impl<C, S, F> MakeParams<C> for F
where
    C: Send + Sync + 'static,
    S: ActionData,
    F: for<'s> Fn(&'s Scope<C>) -> S + Send + Sync,
{
    fn make(&self, frame: &Arc<Frame<C>>, sources: &Arc<[Source]>) -> Params {
        let made = evaluate(frame, sources, |cx| ActionOutput::new(self(cx)));
        match made.flatten() {
            Ok(params) => Ok(params),
            Err(error) => Err(ActionError::SubsagaCreateFailed { message: error.message() }),
        }
    }
}

/// What the closure of [`DagBuilder::choose`](super::DagBuilder::choose) returns: `usize`, the number of
/// the arm that runs, from 0; or `Option<usize>`, where `None` runs none of them and the output is an
/// `Option`.
pub trait Choice: sealed::Sealed {
    /// The node's output, for arms that end with an `O`.
    type Output<O>;
    #[doc(hidden)]
    fn arm(self) -> Option<usize>;
    #[doc(hidden)]
    fn gather<O: Send + Sync + 'static>(
        parts: Vec<ActionOutput>,
    ) -> Result<ActionOutput, ActionError>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for usize {}
    impl Sealed for Option<usize> {}
}

impl Choice for usize {
    type Output<O> = O;

    fn arm(self) -> Option<usize> {
        Some(self)
    }

    fn gather<O: Send + Sync + 'static>(
        mut parts: Vec<ActionOutput>,
    ) -> Result<ActionOutput, ActionError> {
        parts.pop().ok_or_else(mixed_up)
    }
}

impl Choice for Option<usize> {
    type Output<O> = Option<O>;

    fn arm(self) -> Option<usize> {
        self
    }

    fn gather<O: Send + Sync + 'static>(
        mut parts: Vec<ActionOutput>,
    ) -> Result<ActionOutput, ActionError> {
        let Some(part) = parts.pop() else {
            return Ok(ActionOutput::of(None::<O>, null()));
        };
        let (value, payload) = owned::<O>(part)?;
        Ok(ActionOutput::of(Some(value), payload))
    }
}

/// The outputs of all instances.
pub(crate) fn gather_vec<O: Send + Sync + 'static>(
    parts: Vec<ActionOutput>,
) -> Result<ActionOutput, ActionError> {
    let payload = join(&parts);
    let values = parts.into_iter().map(|part| owned::<O>(part).map(|(value, _)| value));
    Ok(ActionOutput::of(values.collect::<Result<Vec<O>, _>>()?, payload))
}

/// The same without types.
pub(crate) fn gather_list(parts: Vec<ActionOutput>) -> Result<ActionOutput, ActionError> {
    ActionOutput::decode::<serde_json::Value>(&join(&parts))
}

/// What the arm that ran gives, or null.
pub(crate) fn gather_arm(mut parts: Vec<ActionOutput>) -> Result<ActionOutput, ActionError> {
    parts.pop().map_or_else(|| ActionOutput::decode::<serde_json::Value>(&null()), Ok)
}

fn join(parts: &[ActionOutput]) -> Payload {
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

fn null() -> Payload {
    b"null".as_slice().into()
}

fn owned<O: Send + Sync + 'static>(part: ActionOutput) -> Result<(O, Payload), ActionError> {
    let value = part.value.take().and_then(|value| value.downcast::<O>().ok());
    let value = value.and_then(Arc::into_inner);
    value.map(|value| (value, part.payload)).ok_or_else(mixed_up)
}

/// The types of a definition exclude it.
fn mixed_up() -> ActionError {
    let message = "a part has an output of another type than its node".to_string();
    ActionError::DeserializeFailed { message }
}
