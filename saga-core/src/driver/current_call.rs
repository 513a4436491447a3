//! Calls that wait for what their own coordinator does not do any more.
//!
//! An action that awaits another saga is told of a shutdown by that saga's handle, before its own call is
//! cut off. An error that it makes of that would be in the log as its own, and unwind a saga that nothing was
//! wrong with. So nobody is told inside of a call: it ends there, cut off like those that the shutdown
//! did not wait for, and is run again in the next life.

use std::cell::RefCell;
use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use tokio::sync::watch;

use super::permits::{Bounds, Caller};
use crate::error::SagaError;
use crate::log::SagaId;

thread_local! {
    /// The call whose code runs on this thread.
    static CALL: RefCell<Option<Arc<CurrentCall>>> = const { RefCell::new(None) };
}

/// One call, as its code finds it.
pub(super) struct CurrentCall {
    /// Whether its coordinator shuts down.
    closing: watch::Receiver<bool>,
    caller: Caller,
    interrupted: AtomicBool,
}

impl CurrentCall {
    pub(super) fn new(closing: &watch::Sender<bool>, caller: Caller) -> Arc<Self> {
        let interrupted = AtomicBool::new(false);
        Arc::new(Self { closing: closing.subscribe(), caller, interrupted })
    }

    /// Polls the call; none if it is to end here, without having said anything.
    pub(super) fn poll<T>(self: &Arc<Self>, call: impl FnOnce() -> Poll<T>) -> Poll<Option<T>> {
        struct Back(Option<Arc<CurrentCall>>);
        impl Drop for Back {
            fn drop(&mut self) {
                CALL.set(self.0.take());
            }
        }
        let polled = {
            let _back = Back(CALL.replace(Some(self.clone())));
            call()
        };
        match polled {
            Poll::Pending if self.interrupted.load(Ordering::Relaxed) => Poll::Ready(None),
            polled => polled.map(Some),
        }
    }
}

/// Comes before somebody is told of a shutdown. CurrentCall of a call that the same shutdown ends it never returns.
pub(crate) async fn before_telling_of_shutdown() {
    let ends = CALL.with_borrow(|call| {
        let call = call.as_ref().filter(|call| *call.closing.borrow());
        call.inspect(|call| call.interrupted.store(true, Ordering::Relaxed)).is_some()
    });
    if ends {
        pending().await
    }
}

/// Waits for the end of a saga of the coordinator that has these bounds.
///
/// # Errors
/// [`SagaError::WaitsForItself`] inside of a call for which that end may never come.
pub(crate) async fn wait_for<T>(
    bounds: &Bounds,
    saga: &SagaId,
    ended: impl Future<Output = T>,
) -> Result<T, SagaError> {
    let call = CALL.with_borrow(Option::clone);
    match call.filter(|call| call.caller.is_of(bounds)) {
        Some(call) => call.caller.wait(saga, ended).await,
        None => Ok(ended.await),
    }
}
