//! The error of an action as JSON, and the classification of errors of actions that declare none.

use std::marker::PhantomData;

use serde::Serialize;

use crate::json;
use crate::log::Payload;

/// An error as JSON, if it is `Serialize`. An inherent constant with a bound hides that of a trait only if the
/// bound holds.
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

/// The classification of the errors of an action that declares none: no effect, and may be retried.
pub fn plain_error<E>(_: &E) -> (bool, bool) {
    (false, true)
}
