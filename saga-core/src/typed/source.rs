//! What a step reads: parameters, the outputs of earlier nodes, and the item of an instance.

use std::any::Any;
use std::marker::PhantomData;

use super::{Like, Scope};
use crate::context::Frame;
use crate::names::{BodyId, NodeIndex, Source};

/// A reference to the output of a node. Its node and type are known before the saga runs.
pub struct OutputRef<T> {
    pub(crate) body: BodyId,
    pub(crate) node: NodeIndex,
    pub(crate) ty: PhantomData<fn() -> T>,
}

impl<T> Clone for OutputRef<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for OutputRef<T> {}

impl<T> OutputRef<T> {
    pub(crate) fn new(body: BodyId, node: NodeIndex) -> Self {
        Self { body, node, ty: PhantomData }
    }
}

impl<T: 'static> OutputRef<T> {
    /// The source to use in bindings and in `after`.
    pub fn id(self) -> Source {
        Source::Node(self.body, self.node)
    }

    /// The same reference with another type. The types have been compared before, and a difference has been
    /// reported.
    #[doc(hidden)]
    pub fn of<U>(self) -> OutputRef<U> {
        OutputRef::new(self.body, self.node)
    }

    /// A value of the output's type, for code that is compiled and never runs.
    #[doc(hidden)]
    pub fn like(self) -> T {
        Like::new().like()
    }

    /// The output. The node must be among the bindings of the step; otherwise the step ends with an error that
    /// says so.
    pub fn get<C: Send + Sync + 'static>(self, cx: &Scope<C>) -> &T {
        let (frame, value) = output(cx, self.body, self.node);
        match value.and_then(|value| value.downcast_ref()) {
            Some(value) => value,
            None => missing(frame, self.node),
        }
    }
}

/// The output of a node as `OutputRef::get` reads it, without its type, and the frame that it is in.
fn output<C: Send + Sync + 'static>(
    cx: &Scope<C>,
    body: BodyId,
    node: NodeIndex,
) -> (&Frame, Option<&(dyn Any + Send + Sync)>) {
    let frame = cx.reads(Source::Node(body, node)).and_then(|frame| frame.enclosing(body));
    let Some(frame) = frame else { unbound(&format!("node number {node}")) };
    (frame, frame.output(node).and_then(|output| output.value.get()).map(|value| &**value))
}

/// A reference to a parameter of a saga.
pub struct ParamRef<S, T> {
    pub(crate) name: &'static str,
    pub(crate) get: fn(&S) -> &T,
}

impl<S, T> Clone for ParamRef<S, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<S, T> Copy for ParamRef<S, T> {}

impl<S: 'static, T> ParamRef<S, T> {
    /// The source to use in bindings.
    pub fn id(self) -> Source {
        Source::Param(self.name)
    }

    /// The parameter. It must be among the bindings of the step, as for [`OutputRef::get`].
    pub fn get<C: Send + Sync + 'static>(self, cx: &Scope<C>) -> &T {
        let params = cx.reads(self.id()).and_then(|frame| frame.params.get());
        match params {
            Some(saga) => (self.get)(saga),
            None => unbound(&format!("parameter `{}`", self.name)),
        }
    }
}

/// A reference to the item of an instance of a `for`; see
/// [`DagBuilder::for_each`](crate::dag::DagBuilder::for_each).
pub struct ItemRef<T> {
    body: BodyId,
    ty: PhantomData<fn() -> T>,
}

impl<T> Clone for ItemRef<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for ItemRef<T> {}

impl<T: 'static> ItemRef<T> {
    pub(crate) fn new(body: BodyId) -> Self {
        Self { body, ty: PhantomData }
    }

    /// The source to use in bindings.
    pub fn id(self) -> Source {
        Source::Item(self.body)
    }

    /// The item. It must be among the bindings of the step, as for [`OutputRef::get`].
    pub fn get<C: Send + Sync + 'static>(self, cx: &Scope<C>) -> &T {
        let (frame, index) = self.instance(cx);
        match frame.item(cx, index).and_then(|item| item.downcast_ref()) {
            Some(item) => item,
            None => gone(index),
        }
    }

    /// The number of the instance, from 0. The item must be among the bindings of the step.
    pub fn index<C: Send + Sync + 'static>(self, cx: &Scope<C>) -> usize {
        self.instance(cx).1
    }

    fn instance<C: Send + Sync + 'static>(self, cx: &Scope<C>) -> (&Frame, usize) {
        let frame = cx.reads(self.id()).and_then(|frame| frame.enclosing(self.body));
        match frame.and_then(|frame| Some((frame, frame.outer.as_ref()?.instance?))) {
            Some((frame, index)) => (frame, index as usize),
            None => unbound("an item"),
        }
    }
}

/// Unwinds out of the closure; the step that called the closure turns this into the error of the node.
fn unbound(what: &str) -> ! {
    std::panic::resume_unwind(Box::new(format!(
        "{what} is read but not among the step's bindings; add it to them"
    )))
}

fn missing(frame: &Frame, node: NodeIndex) -> ! {
    let name = frame.plan.node(node).map(|node| node.name.to_string()).unwrap_or_default();
    let why = frame.broken(node).map(|error| format!(": {error}")).unwrap_or_default();
    std::panic::resume_unwind(Box::new(format!("node `{name}` has no output of this type{why}")))
}

pub(crate) fn gone(index: usize) -> ! {
    std::panic::resume_unwind(Box::new(format!(
        "the list has no item {index} any more; it must be the same whenever it is computed"
    )))
}

/// The last line of a definition: what the saga returns.
pub struct SagaOutput<O> {
    pub(crate) node: Option<(BodyId, NodeIndex)>,
    pub(crate) ty: PhantomData<fn() -> O>,
}
