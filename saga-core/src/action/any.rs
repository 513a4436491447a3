//! Actions as what runs them sees them, which does not know the type of the user's context.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{Action, Timeouts};
use crate::context::{ActionContext, AnyContext};
use crate::error::{ActionError, UndoError};
use crate::log::Payload;
use crate::names::ActionName;
use crate::policy::Policy;
use crate::probe::Probe;
#[cfg(feature = "testing")]
use crate::value::Evaluated;
use crate::value::{ActionOutput, AttemptError, OutputType, Value};

/// An action for any context.
pub(crate) type AnyAction = dyn Action<AnyContext>;

/// Hides the type of the context of an action.
pub(crate) fn any_action<C: Send + Sync + 'static>(action: Arc<dyn Action<C>>) -> Arc<AnyAction> {
    Arc::new(OfContext(action))
}

struct OfContext<C>(Arc<dyn Action<C>>);

impl<C: Send + Sync + 'static> Action<AnyContext> for OfContext<C> {
    fn name(&self) -> &ActionName {
        self.0.name()
    }

    fn do_it(
        &self,
        cx: ActionContext<AnyContext>,
    ) -> BoxFuture<'_, Result<ActionOutput, AttemptError>> {
        match cx.typed() {
            Ok(cx) => self.0.do_it(cx),
            Err(error) => Box::pin(async { Err(error.into()) }),
        }
    }

    fn undo_it(
        &self,
        cx: ActionContext<AnyContext>,
        output: Option<Value>,
    ) -> BoxFuture<'_, Result<(), UndoError>> {
        match cx.typed() {
            Ok(cx) => self.0.undo_it(cx, output),
            Err(error) => Box::pin(async { Err(UndoError::Permanent(error)) }),
        }
    }

    fn probe(
        &self,
        cx: ActionContext<AnyContext>,
    ) -> BoxFuture<'_, Result<Probe<ActionOutput>, ActionError>> {
        match cx.typed() {
            Ok(cx) => self.0.probe(cx),
            Err(error) => Box::pin(async { Err(error) }),
        }
    }

    fn decode(&self, payload: &Payload) -> Result<ActionOutput, ActionError> {
        self.0.decode(payload)
    }

    fn policy(&self) -> Policy {
        self.0.policy()
    }

    fn timeouts(&self) -> Timeouts {
        self.0.timeouts()
    }

    fn revision(&self) -> u32 {
        self.0.revision()
    }

    #[cfg(feature = "testing")]
    fn inputs(&self, cx: ActionContext<AnyContext>) -> Option<Vec<Evaluated>> {
        self.0.inputs(cx.typed().ok()?)
    }

    fn output_type(&self) -> Option<OutputType> {
        self.0.output_type()
    }

    fn no_undo(&self) -> Option<String> {
        self.0.no_undo()
    }

    fn place(&self) -> String {
        self.0.place()
    }
}
