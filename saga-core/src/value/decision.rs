//! Lets an operator give the output of a node as a value of the program.

use serde::Serialize;

use super::encode;
use crate::error::ActionError;
use crate::log::Decision;

impl Decision {
    /// The effect has happened, and this is the output.
    ///
    /// ```
    /// use saga_core::operator::Decision;
    /// let wei = 1_000_000_000_000_000_000_001_u128;
    /// let decision = Decision::with_output(&wei)?;
    /// assert_eq!(decision.output().unwrap().as_bytes(), wei.to_string().as_bytes());
    /// # Ok::<(), saga_core::ActionError>(())
    /// ```
    ///
    /// # Errors
    /// [`ActionError::SerializeFailed`](crate::ActionError::SerializeFailed) if it cannot be encoded.
    pub fn with_output<T: Serialize + ?Sized>(output: &T) -> Result<Self, ActionError> {
        encode(output).map(Self::SucceededWith)
    }
}
