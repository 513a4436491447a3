//! How large an output may be, and how much of an error fits into the log.

use crate::error::ActionError;
use crate::json::{MAX_NESTING, is_deeper};
use crate::log::{Failure, NodePath, Payload};
use crate::value::ActionOutput;

/// The limits for the output of one node.
#[derive(Clone, Copy)]
pub(in crate::driver) struct OutputLimits {
    /// In bytes.
    pub(in crate::driver) max_payload: usize,
    /// How many `for` loops collect it into a list, which may be the saga's output: each adds a level of JSON.
    pub(in crate::driver) lists: usize,
}

impl OutputLimits {
    /// Checks that an output can be stored.
    pub(in crate::driver) fn check(self, output: &ActionOutput) -> Result<(), ActionError> {
        let (size, max) = (output.payload.len(), self.max_payload);
        if size > max {
            let message = format!(
                "the output has {size} bytes, more than the limit of {max}; raise \
                 `Limits::max_payload`"
            );
            return Err(ActionError::SerializeFailed { message });
        }
        let levels = MAX_NESTING.saturating_sub(self.lists);
        if self.lists > 0 && is_deeper(output.payload.as_bytes(), levels) {
            let message = format!(
                "it is nested more than {MAX_NESTING} levels deep, with the lists of the `for` \
                 around its node"
            );
            return Err(ActionError::SerializeFailed { message });
        }
        Ok(())
    }
}

/// Checks the size of an output that an operator has decided.
pub(in crate::driver) fn check_len(node: &NodePath, size: usize, max: usize) -> Result<(), String> {
    if size <= max {
        return Ok(());
    }
    Err(format!(
        "the output of node `{node}` has {size} bytes, more than the limit of {max}; raise \
         `Limits::max_payload`"
    ))
}

/// Cuts an error down to what the log has room for.
pub(super) fn truncate(failure: Failure, max: usize) -> Failure {
    let cut = |mut text: String| {
        if text.len() > max {
            text.truncate(text.floor_char_boundary(max));
            text.push('…');
        }
        text
    };
    let fits = |error: &Payload| error.len() <= max;
    Failure {
        message: cut(failure.message),
        sources: failure.sources.into_iter().map(cut).collect(),
        error: failure.error.filter(fits),
        ..failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::FailureKind;

    #[test]
    fn each_text_of_an_error_is_cut_and_the_error_itself_is_kept_if_it_fits() {
        let failure = |text: &str, error: &[u8]| Failure {
            sources: vec![text.to_string(), "short".to_string()],
            error: Some(error.into()),
            ..Failure::new(FailureKind::Failed, text)
        };
        let cut = truncate(failure("as long as äöü", b"\"12345678\""), 10);
        assert_eq!(cut, failure("as long as…", b"\"12345678\""), "no letter is cut in two");
        assert_eq!(truncate(failure("short", b"\"123456789\""), 10).error, None);
    }
}
