//! Calls that block their thread: nothing else runs there meanwhile, and no timeout and no shutdown reaches
//! them. A warning is logged.

use std::time::Duration;

use crate::context::ContextInner;

/// How long one poll of a call may take.
const LONG: Duration = Duration::from_secs(1);

/// Times the polls of a call. It is warned about once, however often it blocks.
#[derive(Default)]
pub(super) struct PollTimes {
    warned: bool,
}

impl PollTimes {
    /// A poll that took so long has ended.
    pub(super) fn ended(&mut self, took: Duration, call: &ContextInner) {
        if took <= LONG || self.warned {
            return;
        }
        self.warned = true;
        let (id, saga, node) = (&call.run.id, call.run.saga.as_str(), call.call.path.as_str());
        let attempt = call.call.authorized.attempt;
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(
            target: "saga_core", %id, saga, node, attempt, millis,
            "a call blocked its thread; use `tokio::task::spawn_blocking` for what takes long"
        );
    }
}
