//! What a node does: the [`Action`] trait, and actions made of closures.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::ActionContext;
use crate::dag::{ActionName, Policy, UndoContract};
use crate::error::{ActionError, UndoError};
use crate::log::Payload;
use crate::panics::{self, Contained};

/// A value in memory, shared by everyone who looks it up.
pub type Value = Arc<dyn Any + Send + Sync>;

/// What a node's output or a saga's parameter must be: it is written to the log as JSON, and read back
/// when another process goes on with the saga. Implemented for every type that fits.
///
/// **What is read from the log is the value**, from the moment on at which it is written: everyone who gets it
/// gets that, whether or not the process has died in between. So a field with `#[serde(skip)]` has its default
/// for the next node and for the undo, and `Some(())`, which JSON writes as `null`, is `None`. A value that was
/// written and cannot be read back is no output: the action fails for good with
/// [`SerializeFailed`](ActionError::SerializeFailed), which names the field, and its undo is given the value as
/// the action returned it. (Serde's readers of flattened fields and of tagged enums know no `u128`, for one.)
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept in the saga log",
    label = "must be `Serialize + DeserializeOwned + Send + Sync + 'static`",
    note = "node outputs and saga parameters are written to the log so that a crashed saga can resume",
    note = "for a type of your own, add `#[derive(serde::Serialize, serde::Deserialize)]`"
)]
// serde's traits are no supertraits: rustc would then report those, one by one, instead of this one
pub trait ActionData: Send + Sync + 'static {
    #[doc(hidden)]
    fn write(this: &Self) -> serde_json::Result<Vec<u8>>;

    #[doc(hidden)]
    fn read(json: &[u8]) -> serde_json::Result<Self>
    where
        Self: Sized;

    /// The path to what keeps this from being read.
    #[doc(hidden)]
    fn misfit(json: &[u8]) -> String;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> ActionData for T {
    fn write(this: &Self) -> serde_json::Result<Vec<u8>> {
        storable::write(this)
    }

    fn read(json: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(json)
    }

    fn misfit(json: &[u8]) -> String {
        place::path::<T>(json)
    }
}

/// A node's output: the value, and how it is written.
#[derive(Clone)]
pub struct ActionOutput {
    pub(crate) value: Contained<Value>,
    pub(crate) payload: Payload,
}

impl ActionOutput {
    /// Encodes a value, and reads it back: what was read counts from then on, in this process as in the
    /// next one.
    ///
    /// ```
    /// use saga_core::ActionOutput;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Debug, PartialEq, Serialize, Deserialize)]
    /// struct Session { user: String, #[serde(skip)] token: Option<String> }
    ///
    /// let output = ActionOutput::new(Session { user: "ada".into(), token: Some("t0k3n".into()) })?;
    /// assert_eq!(output.get(), Some(&Session { user: "ada".into(), token: None }));
    ///
    /// // the reader of a tagged enum knows no `u128`
    /// #[derive(Serialize, Deserialize)]
    /// #[serde(tag = "kind")]
    /// enum Receipt { Chain { wei: u128 } }
    /// assert!(ActionOutput::new(Receipt::Chain { wei: 5 }).is_err());
    /// # Ok::<(), saga_core::ActionError>(())
    /// ```
    ///
    /// # Errors
    /// [`ActionError::SerializeFailed`] if the value cannot be written, or what was written cannot be read;
    /// [`ActionError::Panicked`] if its own code for that panics.
    pub fn new<T: ActionData>(value: T) -> Result<Self, ActionError> {
        Self::decode::<T>(&write_down(value)?).map_err(unreadable)
    }

    /// Decodes a value that was stored.
    ///
    /// # Errors
    /// [`ActionError::DeserializeFailed`] if the bytes are not a `T`.
    pub fn decode<T: ActionData>(payload: &Payload) -> Result<Self, ActionError> {
        Ok(Self::of(decode::<T>(payload)?, payload.clone()))
    }

    /// A value that was read from this payload, or is about to be.
    pub(crate) fn of<T: Send + Sync + 'static>(value: T, payload: Payload) -> Self {
        Self { value: Contained::new(Arc::new(value)), payload }
    }

    /// The value, if it is a `T`.
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.value.get()?.downcast_ref()
    }

    /// The same, shared.
    pub(crate) fn share<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.value.get()?.clone().downcast().ok()
    }
}

impl fmt::Debug for ActionOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActionOutput").field("payload", &self.payload).finish_non_exhaustive()
    }
}

/// Encodes what an action returned; on failure the value stays in memory for its undo. Whoever called the
/// action reads it back, by [`read_back`].
pub(crate) fn stored<T: ActionData>(output: T) -> Result<ActionOutput, AttemptError> {
    match encode_data(&output) {
        Ok(payload) => Ok(ActionOutput::of(output, payload)),
        Err(error) => Err(AttemptError::unstorable(error, Arc::new(output))),
    }
}

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

/// What is wrong with a value that was just written, if it cannot be read.
fn unreadable(error: ActionError) -> ActionError {
    match error {
        ActionError::DeserializeFailed { message } => {
            let message = format!("what was written cannot be read back: {message}");
            ActionError::SerializeFailed { message }
        }
        other => other,
    }
}

/// Encodes a value that stays as it is in this process, and that another one will read.
pub(crate) fn write_readable<T: ActionData>(value: &T) -> Result<Payload, ActionError> {
    let payload = encode_data(value)?;
    ActionOutput::decode::<T>(&payload).map_err(unreadable)?;
    Ok(payload)
}

/// Encodes a value that nobody needs any more.
pub(crate) fn write_down<T: ActionData>(value: T) -> Result<Payload, ActionError> {
    let payload = encode_data(&value);
    panics::discard(value);
    payload
}

pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Payload, ActionError> {
    payload(|| storable::write(value))
}

pub(crate) fn encode_data<T: ActionData>(value: &T) -> Result<Payload, ActionError> {
    payload(|| T::write(value))
}

fn payload(write: impl FnOnce() -> serde_json::Result<Vec<u8>>) -> Result<Payload, ActionError> {
    match panics::contain(write) {
        Ok(Ok(json)) => Ok(Payload::from(json)),
        Ok(Err(error)) => Err(ActionError::SerializeFailed { message: error.to_string() }),
        Err(message) => Err(ActionError::Panicked { message }),
    }
}

pub(crate) fn decode<T: ActionData>(payload: &Payload) -> Result<T, ActionError> {
    let json = payload.as_bytes();
    let read = panics::contain(|| T::read(json).map_err(|error| (error, T::misfit(json))));
    match read {
        Ok(Ok(value)) => Ok(value),
        Ok(Err((error, path))) => {
            let message = misfit::without_the_value(&error, &path);
            Err(ActionError::DeserializeFailed { message })
        }
        Err(message) => Err(ActionError::Panicked { message }),
    }
}

/// The value, or why it is not a `T`; that says nothing of what is stored.
pub(crate) fn read<T: ActionData>(payload: &Payload) -> Result<T, String> {
    decode(payload).map_err(|error| match error {
        ActionError::DeserializeFailed { message } => message,
        other => other.to_string(),
    })
}

/// How an attempt of an action ended that did not succeed.
pub struct AttemptError {
    /// The error.
    pub error: ActionError,
    /// True if the effect may have happened all the same.
    pub in_doubt: bool,
    /// True if another attempt may end differently.
    pub retryable: bool,
    /// The output of an action that did its work, where only storing it failed: the undo gets it from
    /// memory.
    pub output: Option<Value>,
}

impl fmt::Debug for AttemptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptError")
            .field("error", &self.error)
            .field("in_doubt", &self.in_doubt)
            .field("retryable", &self.retryable)
            .finish_non_exhaustive()
    }
}

impl From<ActionError> for AttemptError {
    /// An attempt that left no effect and may be retried.
    fn from(error: ActionError) -> Self {
        Self { error, in_doubt: false, retryable: true, output: None }
    }
}

impl AttemptError {
    /// The same error, but the effect may have happened.
    pub fn in_doubt(self) -> Self {
        Self { in_doubt: true, ..self }
    }

    /// The same error, but no other attempt would end differently.
    pub fn permanent(self) -> Self {
        Self { retryable: false, ..self }
    }

    /// The action did its work, but its output cannot be stored.
    pub(crate) fn unstorable(error: ActionError, output: Value) -> Self {
        Self { error, in_doubt: true, retryable: false, output: Some(output) }
    }
}

/// A unit of work with its undo, run by a node.
///
/// `#[saga_action]` makes one of an async function and [`ActionFunc`] one of two closures; implement it
/// by hand only for actions that are data themselves. Any attempt may be the second one for the same
/// [`idempotency_key`](ActionContext::idempotency_key).
///
/// ```
/// use saga_core::{
///     Action, ActionContext, ActionError, ActionName, ActionOutput, AttemptError, UndoError, Value,
/// };
/// use saga_core::log::Payload;
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
/// # let saga = saga_core::SagaDag::new(dag.build()?, &"Ada")?;
/// # let store = saga_core::store::MemoryStore::new();
/// # let executor = saga_core::SagaExecutor::new("x", saga, (), store).await?;
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

mod func;
mod misfit;
mod place;
mod provided;
pub(crate) mod storable;

pub use func::ActionFunc;
pub use provided::{ActionConstant, ActionInjectError};
