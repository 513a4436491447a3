//! Closures that a composite node decides by: how many instances there are, which arm runs, and with what
//! parameters a subsaga runs.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::context::{Frame, Scope};
use crate::dag::{MakeParams, Params, Selector, evaluate, join, owned};
use crate::error::ActionError;
use crate::names::Source;
use crate::value::{ActionData, ActionOutput};

/// Selects the items of a `for` from a slice that its closure borrows from its inputs.
pub(crate) struct SelectFromSlice<F, T>(pub(crate) F, pub(crate) PhantomData<fn() -> T>);

impl<C, T, F> Selector<C> for SelectFromSlice<F, T>
where
    T: 'static,
    F: for<'s> Fn(&'s Scope<C>) -> &'s [T] + Send + Sync,
{
    fn select(&self, cx: &Scope<C>) -> Option<usize> {
        Some((self.0)(cx).len())
    }

    fn item<'s>(&'s self, cx: &'s Scope<C>, index: usize) -> Option<&'s dyn Any> {
        (self.0)(cx).get(index).map(|item| item as &dyn Any)
    }
}

/// Selects a number: of instances, or of an arm.
pub(crate) struct SelectNumber<F>(pub(crate) F);

impl<C, F> Selector<C> for SelectNumber<F>
where
    F: for<'s> Fn(&'s Scope<C>) -> Option<usize> + Send + Sync,
{
    fn select(&self, cx: &Scope<C>) -> Option<usize> {
        (self.0)(cx)
    }
}

impl<C, S, F> MakeParams<C> for F
where
    C: Send + Sync + 'static,
    S: ActionData,
    F: for<'s> Fn(&'s Scope<C>) -> S + Send + Sync,
{
    fn make(&self, frame: &Arc<Frame>, sources: &Arc<[Source]>) -> Params {
        let made = evaluate(frame, sources, |cx| ActionOutput::new(self(cx)));
        match made.flatten() {
            Ok(params) => Ok(params),
            Err(error) => Err(ActionError::SubsagaCreateFailed { message: error.message() }),
        }
    }
}

/// The outputs of all instances as a `Vec`.
pub(crate) fn gather_vec<O: Send + Sync + 'static>(
    parts: Vec<ActionOutput>,
) -> Result<ActionOutput, ActionError> {
    let payload = join(&parts);
    let values = parts.into_iter().map(|part| owned::<O>(part).map(|(value, _)| value));
    Ok(ActionOutput::of(values.collect::<Result<Vec<O>, _>>()?, payload))
}
