//! The values that sagas keep: outputs and parameters, in memory and as they are written to the log.

mod attempt_error;
mod decision;
mod decode_error;
mod erased;
mod evaluated;
mod output_type;
mod place;
mod storable;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ActionError;
use crate::json::{JsonWriter, WriteError};
use crate::log::Payload;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
use crate::panics;
use crate::panics::Contained;

pub use attempt_error::AttemptError;
pub(crate) use evaluated::Comparable;
#[cfg(feature = "testing")]
pub(crate) use evaluated::Expression;
pub use evaluated::{Evaluated, Evaluation};
pub(crate) use output_type::OutputType;
pub use storable::Storable;

/// A value in memory, shared by everyone who looks it up.
pub type Value = Arc<dyn Any + Send + Sync>;

/// A value that can be the output of a node or the parameter of a saga: it is written to the log as JSON, and
/// read back when another process resumes the saga. Implemented for every type that fits.
///
/// **The value is what can be read from the log**, from the moment it is written: every reader gets the decoded
/// value, whether or not the process has crashed in between. A field with `#[serde(skip)]` therefore has its
/// default in the next node and in the undo, and `Some(())`, which is written as `null`, becomes `None`. A
/// value that cannot be read back is not accepted as an output: the action fails permanently with
/// [`SerializeFailed`](ActionError::SerializeFailed), which names the field, and its undo gets the value as the
/// action returned it. (For example, serde cannot read a `u128` in a flattened field or a tagged enum.)
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept in the saga log",
    label = "must be `Serialize + DeserializeOwned + Send + Sync + 'static`",
    note = "node outputs and saga parameters are written to the log so that a crashed saga can resume",
    note = "for a type of your own, add `#[derive(serde::Serialize, serde::Deserialize)]`"
)]
// Serde's traits are not supertraits, because rustc would then report each of them instead of this trait.
pub trait ActionData: Send + Sync + 'static {
    #[doc(hidden)]
    fn write(this: &Self, writer: &mut JsonWriter) -> Result<(), WriteError>;

    #[doc(hidden)]
    fn read(json: &str) -> serde_json::Result<Self>
    where
        Self: Sized;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> ActionData for T {
    fn write(this: &Self, writer: &mut JsonWriter) -> Result<(), WriteError> {
        this.serialize(writer)
    }

    fn read(json: &str) -> serde_json::Result<Self> {
        // as text, so that the reader need not check each string again
        serde_json::from_str(json)
    }
}

/// The output of a node: the value, and its encoded form.
#[derive(Clone)]
pub struct ActionOutput {
    pub(crate) value: Contained<Value>,
    pub(crate) payload: Payload,
    /// True if the value is what its node reads from the payload.
    pub(crate) is_read_back: bool,
}

impl ActionOutput {
    /// Encodes a value and reads it back. The decoded value is the output from then on, in this process as in
    /// any other.
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
    /// [`ActionError::SerializeFailed`] if the value cannot be encoded or cannot be read back;
    /// [`ActionError::Panicked`] if its own serialization code panics.
    pub fn new<T: ActionData>(value: T) -> Result<Self, ActionError> {
        erased::replace(&mut Some(value))
    }

    /// Decodes a stored value.
    ///
    /// # Errors
    /// [`ActionError::DeserializeFailed`] if the bytes are not a `T`.
    pub fn decode<T: ActionData>(payload: &Payload) -> Result<Self, ActionError> {
        erased::decode(payload.clone(), &erased::read::<T>)
    }

    /// A value together with its encoded form.
    pub(crate) fn of<T: Send + Sync + 'static>(value: T, payload: Payload) -> Self {
        Self::shared(Arc::new(value), payload)
    }

    pub(crate) fn shared(value: Value, payload: Payload) -> Self {
        Self { value: Contained::new(value), payload, is_read_back: false }
    }

    /// The value, if it is a `T`.
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.value.get()?.downcast_ref()
    }

    /// The value as a shared pointer, if it is a `T`.
    pub(crate) fn share<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.value.get()?.clone().downcast().ok()
    }
}

impl fmt::Debug for ActionOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActionOutput").field("payload", &self.payload).finish_non_exhaustive()
    }
}

/// Encodes the return value of an action and reads it back. On failure the value stays in memory for the undo.
pub(crate) fn stored<T: ActionData>(output: T) -> Result<ActionOutput, AttemptError> {
    erased::store(&mut Some(output))
}

/// The error of a value that was just written and cannot be read back.
pub(crate) fn unreadable(error: ActionError) -> ActionError {
    if let ActionError::DeserializeFailed { message } = error {
        let message = format!("what was written cannot be read back: {message}");
        return ActionError::SerializeFailed { message };
    }
    error
}

/// Encodes a value that this process keeps as it is, and makes sure that another process can read it.
pub(crate) fn write_readable<T: ActionData>(value: &T) -> Result<Payload, ActionError> {
    let payload = encode_data(value)?;
    ActionOutput::decode::<T>(&payload).map_err(unreadable)?;
    Ok(payload)
}

/// Encodes a value and discards it.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) fn write_down<T: ActionData>(value: T) -> Result<Payload, ActionError> {
    let payload = encode_data(&value);
    panics::discard(value);
    payload
}

pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Payload, ActionError> {
    erased::encode(&|writer| value.serialize(writer))
}

pub(crate) fn encode_data<T: ActionData>(value: &T) -> Result<Payload, ActionError> {
    erased::encode(&|writer| T::write(value, writer))
}

pub(crate) fn decode<T: ActionData>(payload: &Payload) -> Result<T, ActionError> {
    let mut value = None;
    erased::decode_with(payload, &mut |json| {
        value = Some(T::read(json)?);
        Ok(())
    })?;
    value.ok_or_else(|| ActionError::new_deserialize("there is no value"))
}

/// The value as this program's `T` writes it.
pub(crate) fn rewritten<T: ActionData>(payload: &Payload) -> Result<Payload, ActionError> {
    // made of what is compiled for each saga anyway
    let read = ActionOutput::decode::<T>(payload)?;
    read.get::<T>().map_or_else(|| Ok(payload.clone()), encode_data)
}

/// The value, or why it is not a `T`. The message quotes nothing of what is stored.
pub(crate) fn read<T: ActionData>(payload: &Payload) -> Result<T, String> {
    decode(payload).map_err(|error| {
        if let ActionError::DeserializeFailed { message } = error {
            return message;
        }
        error.to_string()
    })
}
