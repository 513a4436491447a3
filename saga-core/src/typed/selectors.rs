//! Closures that a composite node decides by: how many instances there are, which arm runs, and with what
//! parameters a subsaga runs.

use std::any::Any;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::context::{Frame, ItemSource, Scope};
use crate::dag::{MakeParams, Params, Selector, join, owned};
use crate::error::ActionError;
use crate::names::Source;
use crate::panics;
use crate::value::{ActionData, ActionOutput};

/// Selects the items of a `for` from a slice that its closure borrows from its inputs.
pub(super) struct SelectFromSlice<C, T, F>(F, PhantomData<fn(&C) -> T>);

impl<C, T, F> SelectFromSlice<C, T, F>
where
    F: for<'s> Fn(&'s Scope<C>) -> &'s [T],
{
    pub(super) fn new(items: F) -> Self {
        Self(items, PhantomData)
    }
}

impl<C, T, F> Selector for SelectFromSlice<C, T, F>
where
    C: Send + Sync + 'static,
    T: 'static,
    F: for<'s> Fn(&'s Scope<C>) -> &'s [T] + Send + Sync,
{
    fn select(
        &self,
        frame: &Arc<Frame>,
        sources: &Arc<[Source]>,
    ) -> Result<Option<usize>, ActionError> {
        evaluate(frame, sources, |cx| Some((self.0)(cx).len()))
    }
}

impl<C, T, F> ItemSource for SelectFromSlice<C, T, F>
where
    C: 'static,
    T: 'static,
    F: for<'s> Fn(&'s Scope<C>) -> &'s [T] + Send + Sync,
{
    fn item<'s>(&'s self, scope: &'s dyn Any, index: usize) -> Option<&'s dyn Any> {
        (self.0)(scope.downcast_ref()?).get(index).map(|item| item as &dyn Any)
    }
}

/// Selects a number: of instances, or of an arm.
pub(super) struct SelectNumber<C, F>(F, PhantomData<fn(&C)>);

impl<C, F> SelectNumber<C, F>
where
    F: Fn(&Scope<C>) -> Option<usize>,
{
    pub(super) fn new(number: F) -> Self {
        Self(number, PhantomData)
    }
}

impl<C, F> Selector for SelectNumber<C, F>
where
    C: Send + Sync + 'static,
    F: Fn(&Scope<C>) -> Option<usize> + Send + Sync,
{
    fn select(
        &self,
        frame: &Arc<Frame>,
        sources: &Arc<[Source]>,
    ) -> Result<Option<usize>, ActionError> {
        evaluate(frame, sources, &self.0)
    }
}

impl<C, F: Send + Sync> ItemSource for SelectNumber<C, F> {
    fn item<'s>(&'s self, _scope: &'s dyn Any, _index: usize) -> Option<&'s dyn Any> {
        None
    }
}

/// Computes the parameters of a subsaga.
pub(super) struct ParamsOf<C, S, F>(F, PhantomData<fn(&C) -> S>);

impl<C, S, F: Fn(&Scope<C>) -> S> ParamsOf<C, S, F> {
    pub(super) fn new(params: F) -> Self {
        Self(params, PhantomData)
    }
}

impl<C, S, F> MakeParams for ParamsOf<C, S, F>
where
    C: Send + Sync + 'static,
    S: ActionData,
    F: Fn(&Scope<C>) -> S + Send + Sync,
{
    fn make(&self, frame: &Arc<Frame>, sources: &Arc<[Source]>) -> Params {
        let made = evaluate(frame, sources, |cx| ActionOutput::new((self.0)(cx)));
        match made.flatten() {
            Ok(params) => Ok(params),
            Err(error) => Err(ActionError::SubsagaCreateFailed { message: error.message() }),
        }
    }
}

/// Evaluates a closure that only reads values, and catches its panics.
fn evaluate<C: Send + Sync + 'static, T>(
    frame: &Arc<Frame>,
    sources: &Arc<[Source]>,
    closure: impl FnOnce(&Scope<C>) -> T,
) -> Result<T, ActionError> {
    if let Some(error) = frame.refused.as_deref() {
        return Err(error.clone());
    }
    let scope = Scope::pure(frame.clone(), sources.clone());
    catch_unwind(AssertUnwindSafe(|| closure(&scope))).map_err(|panic| {
        let message = panics::message(panic);
        ActionError::from_error(format!("what the node runs cannot be computed: {message}"))
    })
}

/// The outputs of all instances as a `Vec`.
pub(crate) fn gather_vec<O: Send + Sync + 'static>(
    parts: Vec<ActionOutput>,
) -> Result<ActionOutput, ActionError> {
    let payload = join(&parts);
    let values = parts.into_iter().map(|part| owned::<O>(part).map(|(value, _)| value));
    Ok(ActionOutput::of(values.collect::<Result<Vec<O>, _>>()?, payload))
}
