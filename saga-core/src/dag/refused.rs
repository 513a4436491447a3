//! An action that never begins, in the place of one that cannot be given its inputs.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::action::Action;
use crate::context::ActionContext;
use crate::error::{ActionError, UndoError};
use crate::log::Payload;
use crate::names::ActionName;
use crate::value::{ActionOutput, AttemptError, Value};

/// The action of a node whose saga has no parameters: it never begins.
pub(crate) struct Refused<C> {
    pub(crate) action: Arc<dyn Action<C>>,
    pub(crate) error: ActionError,
    /// True if it was refused before as well, and never called: then there is nothing to undo.
    pub(crate) always: bool,
}

impl<C: Send + Sync + 'static> Action<C> for Refused<C> {
    fn name(&self) -> &ActionName {
        self.action.name()
    }

    fn do_it(&self, _cx: ActionContext<C>) -> BoxFuture<'_, Result<ActionOutput, AttemptError>> {
        let failed = AttemptError::from(self.error.clone()).permanent();
        Box::pin(async { Err(failed) })
    }

    fn undo_it(
        &self,
        _cx: ActionContext<C>,
        _output: Option<Value>,
    ) -> BoxFuture<'_, Result<(), UndoError>> {
        // An earlier process may have had the parameters: then the effect is there, and stays.
        let undone = match self.always {
            true => Ok(()),
            false => Err(UndoError::Permanent(self.error.clone())),
        };
        Box::pin(async { undone })
    }

    fn decode(&self, payload: &Payload) -> Result<ActionOutput, ActionError> {
        self.action.decode(payload)
    }
}
