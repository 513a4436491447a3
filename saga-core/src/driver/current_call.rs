//! The call whose code is running, for calls that wait for their own coordinator.
//!
//! An action that awaits another saga would hear of a shutdown from that saga's handle, before its own call is
//! interrupted. If it returned that as an error, the error would be in the log as its own, and would roll
//! back a saga that nothing was wrong with. So no code inside a call sees the shutdown: the call ends right
//! there, interrupted like the calls that the shutdown did not wait for, and is run again by the next process.

use std::cell::RefCell;
use std::future::{Future, pending};
use std::sync::Arc;
use std::task::Poll;

use super::Environment;
use super::permits::{CallLimits, Caller, Permit};
use crate::context::{ActionContext, AnyContext, ContextInner, Shared};
use crate::error::SagaError;
use crate::log::SagaId;

thread_local! {
    /// The call whose code is running on this thread.
    static CALL: RefCell<Option<RunningCall>> = const { RefCell::new(None) };
}

/// One call, as its own code sees it.
#[derive(Clone)]
struct RunningCall {
    context: Shared<ContextInner>,
    /// What it shares with all calls of its coordinator.
    env: Arc<Environment>,
    /// The queue of its permit, if it has one.
    queue: Option<u32>,
    /// True if it ends here without an outcome.
    interrupted: bool,
}

impl RunningCall {
    fn is_of(&self, limits: &CallLimits) -> bool {
        self.env.call_limits.is(limits)
    }

    fn caller(&self) -> Caller {
        let (limits, run) = (self.env.call_limits.clone(), &self.context.run);
        let (call, node) = (self.context.call.authorized.seq, self.context.call.path.clone());
        Caller {
            limits,
            saga: run.id.clone(),
            call,
            node,
            queue: self.queue.map(|queue| queue as usize),
        }
    }
}

/// The context of the call whose code is running.
pub(super) fn current_context() -> Option<ActionContext<AnyContext>> {
    CALL.with_borrow(|call| {
        let call = call.as_ref()?;
        Some(ActionContext { user: call.env.user.clone(), inner: call.context.clone() })
    })
}

/// A call between its polls.
pub(super) struct CurrentCall(Option<RunningCall>);

impl CurrentCall {
    pub(super) fn new(
        context: Shared<ContextInner>,
        env: &Arc<Environment>,
        permit: Option<&Permit>,
    ) -> Self {
        let (env, queue) = (env.clone(), permit.map(|permit| permit.queue() as u32));
        Self(Some(RunningCall { context, env, queue, interrupted: false }))
    }

    /// The call's context, which is here except during a poll.
    pub(super) fn context(&self) -> Option<&ContextInner> {
        self.0.as_ref().map(|call| &*call.context)
    }

    /// Polls the call; `None` if it ends here without an outcome.
    pub(super) fn poll<T>(&mut self, call: impl FnOnce() -> Poll<T>) -> Poll<Option<T>> {
        struct Restore<'a>(&'a mut CurrentCall, Option<RunningCall>);
        impl Drop for Restore<'_> {
            fn drop(&mut self) {
                self.0.0 = CALL.replace(self.1.take());
            }
        }
        let polled = {
            let outer = CALL.replace(self.0.take());
            let _restore = Restore(self, outer);
            call()
        };
        match polled {
            Poll::Pending if self.0.as_ref().is_some_and(|call| call.interrupted) => {
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
            Poll::Ready(result) => Poll::Ready(Some(result)),
        }
    }
}

/// To be awaited before any code is told about a shutdown. Inside a call that the same shutdown ends, it never
/// returns.
pub(crate) async fn before_telling_of_shutdown() {
    let ends = CALL.with_borrow_mut(|call| {
        let closing = |call: &&mut RunningCall| *call.env.closing.borrow();
        call.as_mut().filter(closing).map(|call| call.interrupted = true).is_some()
    });
    if ends {
        pending().await
    }
}

/// Waits for the end of a saga, with the future that `ended` makes. The saga belongs to the coordinator with these limits.
///
/// # Errors
/// [`SagaError::WaitsForItself`] inside a call for which that end may never come.
pub(crate) async fn wait_for<T, F: Future<Output = T>>(
    call_limits: &CallLimits,
    saga: &SagaId,
    ended: impl FnOnce() -> F,
) -> Result<T, SagaError> {
    let call = CALL.with_borrow(Option::clone);
    match call.filter(|call| call.is_of(call_limits)) {
        // boxed, since few waits are inside a call
        Some(call) => {
            let (caller, ended) = (call.caller(), ended());
            Box::pin(async move { caller.wait(saga, ended).await }).await
        }
        None => Ok(ended().await),
    }
}
