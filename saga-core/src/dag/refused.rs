//! Stands in for an action whose inputs cannot be read, and fails instead of running it.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::action::{Action, AnyAction};
use crate::context::{ActionContext, AnyContext};
use crate::error::{ActionError, UndoError};
use crate::log::Payload;
use crate::names::ActionName;
use crate::value::{ActionOutput, AttemptError, Value};

/// The stand-in for an action whose inputs cannot be read.
pub(crate) struct Refused {
    pub(crate) action: Arc<AnyAction>,
    pub(crate) error: ActionError,
    /// True if every earlier attempt was refused as well: then there is nothing to undo.
    pub(crate) always: bool,
}

impl Action<AnyContext> for Refused {
    fn name(&self) -> &ActionName {
        self.action.name()
    }

    fn do_it(
        &self,
        _cx: ActionContext<AnyContext>,
    ) -> BoxFuture<'_, Result<ActionOutput, AttemptError>> {
        let failed = AttemptError::from(self.error.clone()).permanent();
        Box::pin(async { Err(failed) })
    }

    fn undo_it(
        &self,
        _cx: ActionContext<AnyContext>,
        _output: Option<Value>,
    ) -> BoxFuture<'_, Result<(), UndoError>> {
        // An earlier process may have been able to read the inputs. Then the effect has happened, and remains.
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
