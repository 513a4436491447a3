//! An action that always returns the same value.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{Action, ActionData, ActionOutput, AttemptError, Value};
use crate::context::ActionContext;
use crate::error::{ActionError, UndoError};
use crate::log::Payload;
use crate::names::{ActionName, InvalidName};
use crate::panics::Contained;
use crate::policy::{Policy, UndoContract};
use crate::value::encode_data;

/// An action that always returns the same value, and has nothing to undo.
///
/// It is registered by name like any other action, so that a stored DAG can refer to it. For a value that is
/// part of the DAG itself, use [`Node::constant`](crate::dag::Node::constant), which needs no action.
///
/// ```
/// use saga_core::action::{ActionConstant, ActionRegistry};
/// let mut actions = ActionRegistry::<()>::new();
/// actions.register(ActionConstant::new("region", "eu-west".to_string())?)?;
/// assert_eq!(actions.get("region")?.name().as_str(), "region");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ActionConstant<T> {
    name: ActionName,
    value: Contained<Arc<T>>,
}

impl<T: ActionData> ActionConstant<T> {
    /// The action with this name that returns this value.
    ///
    /// # Errors
    /// [`InvalidName`] if the name cannot be an action's.
    pub fn new(name: impl AsRef<str>, value: T) -> Result<Self, InvalidName> {
        Ok(Self { name: ActionName::new(name)?, value: Contained::new(Arc::new(value)) })
    }
}

impl<C: Send + Sync + 'static, T: ActionData> Action<C> for ActionConstant<T> {
    fn name(&self) -> &ActionName {
        &self.name
    }

    fn do_it(&self, _cx: ActionContext<C>) -> BoxFuture<'_, Result<ActionOutput, AttemptError>> {
        Box::pin(async {
            // If the value cannot be encoded now, it never can, and there is no effect to undo.
            let gone = || ActionError::from_error("the constant is gone");
            let value = self.value.get().ok_or_else(gone)?.clone();
            let payload = encode_data(&*value).map_err(|e| AttemptError::from(e).permanent())?;
            Ok(ActionOutput::shared(value, payload))
        })
    }

    fn undo_it(
        &self,
        _cx: ActionContext<C>,
        _output: Option<Value>,
    ) -> BoxFuture<'_, Result<(), UndoError>> {
        Box::pin(async { Ok(()) })
    }

    fn decode(&self, payload: &Payload) -> Result<ActionOutput, ActionError> {
        ActionOutput::decode::<T>(payload)
    }

    fn policy(&self) -> Policy {
        Policy::new(UndoContract::None)
    }
}
