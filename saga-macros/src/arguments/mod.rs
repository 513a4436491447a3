//! The arguments of attributes, which both macros read: lists of `name = value`, and values.

mod retry;
mod values;

pub(crate) use self::retry::{Retry, retry, settings as retry_settings};
pub(crate) use self::values::{items, number, path, positive, text, value};
