//! Values on their way to the log and back, without their types. What is generic elsewhere is a few lines that
//! call this, so that a program with many types is compiled quickly: the code here is compiled once.

use std::sync::Arc;

use super::{ActionData, ActionOutput, AttemptError, Value, decode_error, place, unreadable};
use crate::error::ActionError;
use crate::json::{self, JsonWriter, WriteError};
use crate::log::Payload;
use crate::panics;

/// A value that is about to be replaced with what can be read from the log. It is an `Option`, because it is
/// gone afterwards.
pub(crate) trait Replaceable {
    fn write(&self, writer: &mut JsonWriter) -> Result<(), WriteError>;
    /// Decodes a value of the same type.
    fn read(&self, json: &str) -> serde_json::Result<Value>;
    fn take(&mut self) -> Option<Value>;
    fn drop(&mut self);
}

impl<T: ActionData> Replaceable for Option<T> {
    fn write(&self, writer: &mut JsonWriter) -> Result<(), WriteError> {
        self.as_ref().map_or(Ok(()), |value| T::write(value, writer))
    }

    fn read(&self, json: &str) -> serde_json::Result<Value> {
        read::<T>(json)
    }

    fn take(&mut self) -> Option<Value> {
        Some(Arc::new(Option::take(self)?))
    }

    fn drop(&mut self) {
        *self = None;
    }
}

/// Decodes a value of this type.
pub(super) fn read<T: ActionData>(json: &str) -> serde_json::Result<Value> {
    Ok(Arc::new(T::read(json)?))
}

/// Encodes a value and reads it back, and drops the value.
pub(super) fn replace(value: &mut dyn Replaceable) -> Result<ActionOutput, ActionError> {
    let replaced = read_back(value);
    drop(value);
    replaced
}

/// The same for the return value of an action. On failure the value stays in memory for the undo.
pub(super) fn store(value: &mut dyn Replaceable) -> Result<ActionOutput, AttemptError> {
    match read_back(value) {
        Ok(output) => {
            drop(value);
            Ok(ActionOutput { is_read_back: true, ..output })
        }
        Err(error) => Err(match value.take() {
            Some(value) => AttemptError::unstorable(error, value),
            None => AttemptError::from(error).in_doubt().permanent(),
        }),
    }
}

fn read_back(value: &dyn Replaceable) -> Result<ActionOutput, ActionError> {
    let payload = encode(&|writer| value.write(writer))?;
    decode(payload, &|json| value.read(json)).map_err(unreadable)
}

/// Decodes a stored value.
pub(super) fn decode(
    payload: Payload,
    read: &dyn Fn(&str) -> serde_json::Result<Value>,
) -> Result<ActionOutput, ActionError> {
    let mut value = None;
    decode_with(&payload, &mut |json| {
        value = Some(read(json)?);
        Ok(())
    })?;
    let value = value.ok_or_else(|| ActionError::new_deserialize("there is no value"))?;
    Ok(ActionOutput::shared(value, payload))
}

/// Runs a decoder, which keeps what it decodes. Its error is told without the value.
pub(super) fn decode_with(
    payload: &Payload,
    read: &mut dyn FnMut(&str) -> serde_json::Result<()>,
) -> Result<(), ActionError> {
    let json = str::from_utf8(payload.as_bytes())
        .map_err(|error| ActionError::new_deserialize(format!("it is not text: {error}")))?;
    let read = panics::contain(|| {
        read(json).map_err(|error| {
            let path = place::path(json, &error, &mut |json| read(json).err());
            decode_error::without_the_value(&error, &path)
        })
    });
    match read {
        Ok(Ok(())) => Ok(()),
        Ok(Err(message)) => Err(ActionError::DeserializeFailed { message }),
        Err(message) => Err(ActionError::Panicked { message }),
    }
}

/// Drops a user's value, which may panic.
fn drop(value: &mut dyn Replaceable) {
    panics::discard_with(&mut || value.drop());
}

/// Encodes what this function writes.
pub(super) fn encode(
    write: &dyn Fn(&mut JsonWriter) -> Result<(), WriteError>,
) -> Result<Payload, ActionError> {
    match panics::contain(|| json::written(write)) {
        Ok(Ok(payload)) => Ok(payload),
        Ok(Err(error)) => Err(ActionError::SerializeFailed { message: error.to_string() }),
        Err(message) => Err(ActionError::Panicked { message }),
    }
}
