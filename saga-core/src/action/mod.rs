//! What a node does: the [`Action`] trait, and actions made of closures.

mod constants;
mod func;
mod registry;

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::context::ActionContext;
use crate::error::{ActionError, UndoError};
use crate::log::Payload;
use crate::names::ActionName;
use crate::panics;

use crate::value::unreadable;

pub use crate::error::RegistryError;
pub use crate::policy::{Policy, UndoContract};
pub use crate::value::{ActionData, ActionOutput, AttemptError, Value};
pub use constants::{ActionConstant, ActionInjectError};
pub use func::ActionFunc;
pub use registry::ActionRegistry;

/// What an action's output is for everyone: that which the action reads from the output's payload, as it
/// would after a crash.
///
/// # Errors
/// As [`ActionOutput::new`].
pub(crate) fn read_back<C: 'static>(
    action: &dyn Action<C>,
    output: &ActionOutput,
) -> Result<ActionOutput, ActionError> {
    let read = panics::contain(|| action.decode(&output.payload));
    read.unwrap_or_else(|message| Err(ActionError::Panicked { message })).map_err(unreadable)
}

/// A unit of work with its undo, run by a node.
///
/// `#[saga_action]` makes one of an async function and [`ActionFunc`] one of two closures; implement it
/// by hand only for actions that are data themselves. Any attempt may be the second one for the same
/// [`idempotency_key`](ActionContext::idempotency_key).
///
/// ```
/// use saga_core::action::{Action, ActionOutput, AttemptError, Value};
/// use saga_core::dag::ActionName;
/// use saga_core::log::Payload;
/// use saga_core::{ActionContext, ActionError, UndoError};
/// use std::pin::Pin;
/// # type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
///
/// /// Greets in the language that it was made with.
/// struct Greet { name: ActionName, word: String }
///
/// impl Action<()> for Greet {
///     fn name(&self) -> &ActionName { &self.name }
///
///     fn do_it(&self, cx: ActionContext<()>) -> BoxFuture<'_, Result<ActionOutput, AttemptError>> {
///         Box::pin(async move {
///             let whom = cx.saga_params::<String>().map_err(ActionError::from)?;
///             Ok(ActionOutput::new(format!("{} {whom}", self.word))?)
///         })
///     }
///
///     fn undo_it(&self, _cx: ActionContext<()>, _greeting: Option<Value>)
///         -> BoxFuture<'_, Result<(), UndoError>> {
///         Box::pin(async { Ok(()) })
///     }
///
///     fn decode(&self, stored: &Payload) -> Result<ActionOutput, ActionError> {
///         ActionOutput::decode::<String>(stored)
///     }
/// }
/// # use saga_core::dag::{DagBuilder, Node};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let greet = Greet { name: ActionName::new("greet")?, word: "ciao".into() };
/// # let mut dag = DagBuilder::new("Greeting")?;
/// # dag.append(Node::action("greet", greet)?)?;
/// # let saga = saga_core::dag::SagaDag::new(dag.build()?, &"Ada")?;
/// # let store = saga_core::store::MemoryStore::new();
/// # let executor = saga_core::executor::SagaExecutor::new("x", saga, (), store).await?;
/// # assert_eq!(executor.execute().await?, "ciao Ada");
/// # Ok(()) }
/// ```
pub trait Action<C>: Send + Sync + 'static {
    /// The durable name.
    fn name(&self) -> &ActionName;

    /// Does it. The future may be dropped at any await; the attempt is then in doubt.
    fn do_it(&self, cx: ActionContext<C>) -> BoxFuture<'_, Result<ActionOutput, AttemptError>>;

    /// Undoes it. `output` is there if the action is known to have succeeded.
    fn undo_it(
        &self,
        cx: ActionContext<C>,
        output: Option<Value>,
    ) -> BoxFuture<'_, Result<(), UndoError>>;

    /// Reads a stored output.
    ///
    /// # Errors
    /// [`ActionError::DeserializeFailed`] if it is not what this action returns.
    fn decode(&self, payload: &Payload) -> Result<ActionOutput, ActionError>;

    /// What the undo needs, and how often both are tried.
    fn policy(&self) -> Policy {
        Policy::new(UndoContract::Output)
    }

    /// How long one attempt of the action and of its undo may take.
    fn timeouts(&self) -> Timeouts {
        Timeouts::default()
    }

    /// The revision: change it when the same name comes to mean something else.
    fn revision(&self) -> u32 {
        0
    }

    /// Where it is written, as `file:line`; shown when two actions have one name.
    fn place(&self) -> String {
        String::new()
    }
}

/// How long one attempt may take; none: as long as it wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeouts {
    /// Of the action. The attempt is in doubt after it.
    pub action: Option<Duration>,
    /// Of the undo.
    pub undo: Option<Duration>,
}
