//! Bounds on how many calls run at once, over all sagas of a coordinator.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{AbortHandle, Abortable, BoxFuture};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::machine::VertexId;

/// The bounds themselves.
#[derive(Default)]
pub(crate) struct Bounds {
    all: Option<Arc<Semaphore>>,
    by_action: HashMap<String, Arc<Semaphore>>,
}

impl Bounds {
    pub(crate) fn bound_all(&mut self, calls: usize) {
        self.all = Some(Arc::new(Semaphore::new(calls.clamp(1, Semaphore::MAX_PERMITS))));
    }

    pub(crate) fn bound_action(&mut self, action: String, calls: usize) {
        let bound = Arc::new(Semaphore::new(calls.clamp(1, Semaphore::MAX_PERMITS)));
        self.by_action.insert(action, bound);
    }

    /// True if there is no bound at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_none() && self.by_action.is_empty()
    }

    /// Waits for room for a call of this action. Always in this order, so that no two wait for each other.
    fn room(&self, action: &str) -> BoxFuture<'static, Room> {
        let bounds = [self.by_action.get(action).cloned(), self.all.clone()];
        async move {
            let mut room = Room(Vec::new());
            for bound in bounds.into_iter().flatten() {
                // they are never closed
                room.0.extend(bound.acquire_owned().await.ok());
            }
            room
        }
        .boxed()
    }
}

/// Room for one call, given back when it is dropped.
pub(super) struct Room(
    #[allow(dead_code, reason = "held until the call ends")] Vec<OwnedSemaphorePermit>,
);

/// What one saga waits for, and what it was granted and has not used.
#[derive(Default)]
pub(super) struct Slots {
    wanted: FuturesUnordered<Abortable<BoxFuture<'static, (VertexId, Room)>>>,
    handles: HashMap<VertexId, AbortHandle>,
    granted: HashMap<VertexId, Room>,
}

impl Slots {
    pub(super) fn want(&mut self, vertex: VertexId, action: &str, bounds: &Bounds) {
        let room = bounds.room(action);
        let (handle, registration) = AbortHandle::new_pair();
        let room = async move { (vertex, room.await) }.boxed();
        self.wanted.push(Abortable::new(room, registration));
        self.handles.insert(vertex, handle);
    }

    /// It is not needed any more.
    pub(super) fn free(&mut self, vertex: VertexId) {
        if let Some(handle) = self.handles.remove(&vertex) {
            handle.abort();
        }
        self.granted.remove(&vertex);
    }

    /// The room of a call that goes out.
    pub(super) fn take(&mut self, vertex: VertexId) -> Option<Room> {
        self.granted.remove(&vertex)
    }

    /// All that was granted by now.
    pub(super) fn poll_granted(&mut self, task: &mut Context<'_>, granted: &mut Vec<VertexId>) {
        while let Poll::Ready(Some(room)) = self.wanted.poll_next_unpin(task) {
            if let Ok((vertex, room)) = room {
                self.handles.remove(&vertex);
                self.granted.insert(vertex, room);
                granted.push(vertex);
            }
        }
    }
}
