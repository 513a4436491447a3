//! The call whose code is running, for calls that wait for their own coordinator.
//!
//! An action that awaits another saga would hear of a shutdown from that saga's handle, before its own call is
//! interrupted. If it returned that as an error, the error would be in the log as its own, and would roll
//! back a saga that nothing was wrong with. So no code inside a call sees the shutdown: the call ends right
//! there, interrupted like the calls that the shutdown did not wait for, and is run again by the next process.

use std::cell::RefCell;
use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use tokio::sync::watch;

use super::permits::{CallLimits, Caller};
use crate::error::SagaError;
use crate::log::SagaId;

thread_local! {
    /// The call whose code is running on this thread.
    static CALL: RefCell<Option<Arc<CurrentCall>>> = const { RefCell::new(None) };
}

/// One call, as its own code sees it.
pub(super) struct CurrentCall {
    /// Whether its coordinator is shutting down.
    closing: watch::Receiver<bool>,
    caller: Caller,
    interrupted: AtomicBool,
}

impl CurrentCall {
    pub(super) fn new(closing: &watch::Sender<bool>, caller: Caller) -> Arc<Self> {
        let interrupted = AtomicBool::new(false);
        Arc::new(Self { closing: closing.subscribe(), caller, interrupted })
    }

    /// Polls the call; `None` if it ends here without an outcome.
    pub(super) fn poll<T>(self: &Arc<Self>, call: impl FnOnce() -> Poll<T>) -> Poll<Option<T>> {
        struct Restore(Option<Arc<CurrentCall>>);
        impl Drop for Restore {
            fn drop(&mut self) {
                CALL.set(self.0.take());
            }
        }
        let polled = {
            let _restore = Restore(CALL.replace(Some(self.clone())));
            call()
        };
        match polled {
            Poll::Pending if self.interrupted.load(Ordering::Relaxed) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
            Poll::Ready(result) => Poll::Ready(Some(result)),
        }
    }
}

/// To be awaited before any code is told about a shutdown. Inside a call that the same shutdown ends, it never
/// returns.
pub(crate) async fn before_telling_of_shutdown() {
    let ends = CALL.with_borrow(|call| {
        let call = call.as_ref().filter(|call| *call.closing.borrow());
        call.inspect(|call| call.interrupted.store(true, Ordering::Relaxed)).is_some()
    });
    if ends {
        pending().await
    }
}

/// Waits for the end of a saga that belongs to the coordinator with these limits.
///
/// # Errors
/// [`SagaError::WaitsForItself`] inside a call for which that end may never come.
pub(crate) async fn wait_for<T>(
    call_limits: &CallLimits,
    saga: &SagaId,
    ended: impl Future<Output = T>,
) -> Result<T, SagaError> {
    let call = CALL.with_borrow(Option::clone);
    match call.filter(|call| call.caller.is_of(call_limits)) {
        Some(call) => call.caller.wait(saga, ended).await,
        None => Ok(ended.await),
    }
}
