//! The return value of the closure of a choice.

use crate::dag::{mixed_up, null, owned};
use crate::error::ActionError;
use crate::value::ActionOutput;

/// The return value of the closure of [`DagBuilder::choose`](crate::dag::DagBuilder::choose): `usize`, the
/// number of the arm that runs, from 0; or `Option<usize>`, where `None` runs no arm and the output is an
/// `Option`.
pub trait Choice: sealed::Sealed {
    /// The node's output, for arms that end with an `O`.
    type Output<O>;
    #[doc(hidden)]
    fn arm(self) -> Option<usize>;
    #[doc(hidden)]
    fn gather<O: Send + Sync + 'static>(
        parts: Vec<ActionOutput>,
    ) -> Result<ActionOutput, ActionError>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for usize {}
    impl Sealed for Option<usize> {}
}

impl Choice for usize {
    type Output<O> = O;

    fn arm(self) -> Option<usize> {
        Some(self)
    }

    fn gather<O: Send + Sync + 'static>(
        mut parts: Vec<ActionOutput>,
    ) -> Result<ActionOutput, ActionError> {
        parts.pop().ok_or_else(mixed_up)
    }
}

impl Choice for Option<usize> {
    type Output<O> = Option<O>;

    fn arm(self) -> Option<usize> {
        self
    }

    fn gather<O: Send + Sync + 'static>(
        mut parts: Vec<ActionOutput>,
    ) -> Result<ActionOutput, ActionError> {
        let Some(part) = parts.pop() else {
            return Ok(ActionOutput::of(None::<O>, null()));
        };
        let (value, payload) = owned::<O>(part)?;
        Ok(ActionOutput::of(Some(value), payload))
    }
}
