//! What a node does: the [`Action`] trait, actions made of closures ([`ActionFunc`]) or with a fixed outcome,
//! and the registry of actions by name.

mod any;
mod constant;
mod func;
mod inject_error;
mod registry;

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::context::{ActionContext, KnownValues};
use crate::error::{ActionError, UndoError};
use crate::log::Payload;
use crate::names::ActionName;
use crate::panics;
use crate::probe::Probe;

use crate::value::{OutputType, unreadable};

use crate::value::Evaluated;

pub use crate::error::RegistryError;
pub use crate::policy::{Policy, UndoContract};
pub use crate::value::{ActionData, ActionOutput, AttemptError, Value};
pub(crate) use any::{AnyAction, any_action};
pub use constant::ActionConstant;
pub use func::ActionFunc;
pub use inject_error::ActionInjectError;
pub use registry::ActionRegistry;
pub(crate) use registry::AnyRegistry;

/// The output as every reader gets it: decoded by the action from the encoded output, as it would be after a
/// crash.
///
/// # Errors
/// As [`ActionOutput::new`].
pub(crate) fn read_back(action: &AnyAction, output: &Payload) -> Result<ActionOutput, ActionError> {
    let read = panics::contain(|| action.decode(output));
    read.unwrap_or_else(|message| Err(ActionError::Panicked { message })).map_err(unreadable)
}

/// A unit of work with its undo, run by a node.
///
/// `#[saga_action]` makes an action of an async function, and [`ActionFunc`] makes one of two closures.
/// Implement the trait by hand only for actions that are data themselves. Any attempt may be a repetition under
/// the same [`idempotency_key`](ActionContext::idempotency_key).
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

    /// Runs the action. The future may be dropped at any await point; the attempt is then in doubt.
    fn do_it(&self, cx: ActionContext<C>) -> BoxFuture<'_, Result<ActionOutput, AttemptError>>;

    /// Undoes the action. There is an `output` if the action is known to have succeeded.
    fn undo_it(
        &self,
        cx: ActionContext<C>,
        output: Option<Value>,
    ) -> BoxFuture<'_, Result<(), UndoError>>;

    /// Asks whether the action took effect under its [idempotency key](ActionContext::idempotency_key), which nobody knows.
    /// It is called only if the [policy](Self::policy) says so ([`Policy::probe`]). See
    /// [asking instead of repeating](macro@crate::saga_action#asking-instead-of-repeating).
    ///
    /// # Errors
    /// Any: it is as if the answer were [`Probe::Unknown`].
    fn probe(
        &self,
        cx: ActionContext<C>,
    ) -> BoxFuture<'_, Result<Probe<ActionOutput>, ActionError>> {
        drop(cx);
        Box::pin(async { Ok(Probe::Unknown) })
    }

    /// Decodes a stored output.
    ///
    /// # Errors
    /// [`ActionError::DeserializeFailed`] if it is not what this action returns.
    fn decode(&self, payload: &Payload) -> Result<ActionOutput, ActionError>;

    /// What the undo needs, and how many times the action and the undo are attempted.
    fn policy(&self) -> Policy {
        Policy::new(UndoContract::Output)
    }

    /// How long one attempt of the action and of its undo may take.
    fn timeouts(&self) -> Timeouts {
        Timeouts::default()
    }

    /// The revision. Change it when the same name comes to mean something else.
    fn revision(&self) -> u32 {
        0
    }

    /// The values of the inputs that a call with this context would have, for comparison with those of another
    /// evaluation. `None` if they are not known.
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    fn inputs(&self, cx: ActionContext<C>) -> Option<Vec<Evaluated>> {
        drop(cx);
        None
    }

    /// What its undo would read of its inputs with these values. `None` if that is not known.
    ///
    /// # Errors
    /// Why they cannot be computed.
    #[doc(hidden)]
    fn undo_inputs(&self, values: &KnownValues) -> Option<Result<Vec<Evaluated>, String>> {
        let _ = values;
        None
    }

    /// The type of its output, if it is known.
    #[doc(hidden)]
    fn output_type(&self) -> Option<OutputType> {
        None
    }

    /// Why it declares `no_undo`, if it says so; shown to operators.
    fn no_undo(&self) -> Option<String> {
        None
    }

    /// Where the action is defined, as `file:line`; shown when two actions have the same name.
    fn place(&self) -> String {
        String::new()
    }
}

/// How long one attempt may take. There is no limit by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeouts {
    /// The limit of an attempt of the action. The attempt is in doubt when it is exceeded.
    pub action: Option<Duration>,
    /// The limit of an attempt of the undo.
    pub undo: Option<Duration>,
}
