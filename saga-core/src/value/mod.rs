//! Values that sagas keep: as they are in memory, and as they are written to the log.

mod attempt_error;
mod decision;
mod decode_error;
mod place;
mod storable;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ActionError;
use crate::json;
use crate::log::Payload;
use crate::panics::{self, Contained};

pub use attempt_error::AttemptError;
pub use storable::Storable;

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
        json::write(this)
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
    /// use saga_core::action::ActionOutput;
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

/// What is wrong with a value that was just written, if it cannot be read.
pub(crate) fn unreadable(error: ActionError) -> ActionError {
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
    payload(|| json::write(value))
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
            let message = decode_error::without_the_value(&error, &path);
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
