//! The error of an action as JSON, and what is known of it where the action says nothing.

use std::marker::PhantomData;

use serde::Serialize;

use crate::json;
use crate::log::Payload;

/// An error as JSON, where it is `Serialize`. An inherent constant with a bound hides that of a trait
/// only where the bound holds.
pub struct ErrorPayload<E>(PhantomData<E>);

impl<E: Serialize> ErrorPayload<E> {
    pub const OF: fn(&E) -> Option<Payload> = json::error_json;
}

pub trait NoErrorPayload {
    type Error;
    const OF: fn(&Self::Error) -> Option<Payload>;
}

impl<E> NoErrorPayload for ErrorPayload<E> {
    type Error = E;
    const OF: fn(&E) -> Option<Payload> = |_| None;
}

/// What is said of the error of an action that says nothing: it left no effect, and may be tried again.
pub fn plain_error<E>(_: &E) -> (bool, bool) {
    (false, true)
}
