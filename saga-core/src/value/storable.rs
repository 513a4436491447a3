//! What an action or a saga returns.

use super::{ActionData, ActionOutput, AttemptError, stored};
use crate::error::ActionError;
use crate::log::Payload;

/// The return value of an action or a saga. It is [`ActionData`] under another name, because rustc would report
/// each supertrait of `ActionData` that does not hold.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept in the saga log",
    label = "must be `Serialize + DeserializeOwned + Send + Sync + 'static`",
    note = "node outputs and saga parameters are written to the log so that a crashed saga can resume",
    note = "for a type of your own, add `#[derive(serde::Serialize, serde::Deserialize)]`"
)]
pub trait Storable: 'static {
    /// Encodes the value and reads it back.
    #[doc(hidden)]
    fn store(self) -> Result<ActionOutput, AttemptError>;

    #[doc(hidden)]
    fn restore(payload: &Payload) -> Result<ActionOutput, ActionError>;
}

#[diagnostic::do_not_recommend]
impl<T: ActionData> Storable for T {
    fn store(self) -> Result<ActionOutput, AttemptError> {
        stored(self)
    }

    fn restore(payload: &Payload) -> Result<ActionOutput, ActionError> {
        ActionOutput::decode::<T>(payload)
    }
}
