//! What stands in an attribute: words out of a table, lists of arguments, and their values. Both macros use it.

mod retry;
mod values;
mod words;

pub(crate) use self::retry::{Retry, RetryOf, retry, retry_settings};
pub(crate) use self::values::{function, number, positive_duration, text, value};
pub(crate) use self::words::{Word, arguments, words};
