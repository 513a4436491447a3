//! How the actions in flight hear that they are no longer needed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Mutex, OnceLock, PoisonError};

use tokio::sync::Notify;

use crate::machine::VertexId;

/// Tells the actions in flight that the saga has started to roll back.
#[derive(Default)]
pub(crate) struct CancelSignal {
    set: AtomicBool,
    /// For those who wait, and for single calls: few sagas have either.
    rest: OnceLock<Box<CancelledCalls>>,
}

/// What few sagas need to tell their actions.
#[derive(Default)]
struct CancelledCalls {
    notify: Notify,
    /// The nodes whose actions have been told that the body of a `try` is undone in which they stand.
    nodes: Mutex<BTreeSet<VertexId>>,
}

impl CancelSignal {
    pub(crate) fn set(&self) {
        self.set.store(true, Ordering::Release);
        // with the fence in `wait`: either this sees that somebody waits, or they see that it is set
        fence(Ordering::SeqCst);
        if let Some(rest) = self.rest.get() {
            rest.notify.notify_waiters();
        }
    }

    /// The same for the action of one node.
    pub(crate) fn set_for(&self, vertex: VertexId) {
        let rest = self.rest.get_or_init(Box::default);
        rest.nodes.lock().unwrap_or_else(PoisonError::into_inner).insert(vertex);
        rest.notify.notify_waiters();
    }

    pub(super) fn is_set_for(&self, vertex: VertexId) -> bool {
        let told = |rest: &CancelledCalls| {
            rest.nodes.lock().unwrap_or_else(PoisonError::into_inner).contains(&vertex)
        };
        self.set.load(Ordering::Acquire) || self.rest.get().is_some_and(|rest| told(rest))
    }

    pub(super) async fn wait(&self, vertex: VertexId) {
        let rest = self.rest.get_or_init(Box::default);
        fence(Ordering::SeqCst);
        loop {
            let notified = rest.notify.notified();
            if self.is_set_for(vertex) {
                return;
            }
            notified.await;
        }
    }
}
