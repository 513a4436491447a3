//! An action that always fails.

use futures_util::future::BoxFuture;

use super::{Action, ActionOutput, AttemptError, Value};
use crate::context::ActionContext;
use crate::error::{ActionError, UndoError};
use crate::log::Payload;
use crate::names::{ActionName, InvalidName};
use crate::policy::{Policy, UndoContract};

/// An action that always fails with [`ActionError::Injected`]: for a node that tests how the rest of its saga
/// is rolled back.
///
/// To make a running saga fail at one of its own nodes, use
/// [`Operator::inject`](crate::operator::Operator::inject).
///
/// ```
/// use saga_core::action::{ActionConstant, ActionInjectError, ActionRegistry};
/// use saga_core::dag::{DagBuilder, Node, SagaDag};
/// use saga_core::Coordinator;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut actions = ActionRegistry::<()>::new();
/// let fails = actions.register(ActionInjectError::new("fails")?)?;
/// let mut dag = DagBuilder::new("Doomed")?;
/// dag.append(Node::shared_action("here", fails)?)?;
/// let sec = Coordinator::builder(()).actions(actions).build().await?;
/// let saga = sec.saga_dag(SagaDag::new(dag.build()?, &())?).id("x").start().await?;
/// let error = saga.await.unwrap_err();
/// assert_eq!(error.to_string(), "saga x rolled back: node `here`: error injected");
/// # Ok(()) }
/// ```
pub struct ActionInjectError {
    name: ActionName,
}

impl ActionInjectError {
    /// The failing action with this name.
    ///
    /// # Errors
    /// [`InvalidName`] if the name cannot be an action's.
    pub fn new(name: impl AsRef<str>) -> Result<Self, InvalidName> {
        Ok(Self { name: ActionName::new(name)? })
    }
}

impl<C: Send + Sync + 'static> Action<C> for ActionInjectError {
    fn name(&self) -> &ActionName {
        &self.name
    }

    fn do_it(&self, _cx: ActionContext<C>) -> BoxFuture<'_, Result<ActionOutput, AttemptError>> {
        Box::pin(async { Err(AttemptError::from(ActionError::Injected).permanent()) })
    }

    fn undo_it(
        &self,
        _cx: ActionContext<C>,
        _output: Option<Value>,
    ) -> BoxFuture<'_, Result<(), UndoError>> {
        Box::pin(async { Ok(()) })
    }

    fn decode(&self, payload: &Payload) -> Result<ActionOutput, ActionError> {
        ActionOutput::decode::<()>(payload)
    }

    fn policy(&self) -> Policy {
        Policy::new(UndoContract::None)
    }
}
