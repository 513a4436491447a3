//! The calls of one saga that are in flight.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{AbortHandle, Abortable, BoxFuture};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use super::attempt::CallEnd;
use crate::driver::current_call::CurrentCall;
use crate::driver::permits::Permit;
use crate::machine::VertexId;

/// A call; its end is `None` if a shutdown interrupted it.
type CallFuture = Abortable<BoxFuture<'static, (VertexId, Option<CallEnd>)>>;

/// All calls of one saga that are in flight.
#[derive(Default)]
pub(in crate::driver) struct CallsInFlight {
    futures: FuturesUnordered<CallFuture>,
    handles: HashMap<VertexId, AbortHandle>,
    interrupted: Vec<VertexId>,
}

impl CallsInFlight {
    pub(super) fn add(
        &mut self,
        vertex: VertexId,
        permit: Option<Permit>,
        current: Arc<CurrentCall>,
        call: impl Future<Output = CallEnd> + Send + 'static,
    ) {
        let (handle, registration) = AbortHandle::new_pair();
        let call = async move {
            let end = {
                let mut call = pin!(call);
                poll_fn(|cx| current.poll(|| call.as_mut().poll(cx))).await
            };
            drop(permit);
            (vertex, end)
        };
        self.futures.push(Abortable::new(call.boxed(), registration));
        self.handles.insert(vertex, handle);
    }

    /// Drops a call: it is never polled again, and its end is never reported.
    pub(in crate::driver) fn drop_call(&mut self, vertex: VertexId) {
        if let Some(handle) = self.handles.remove(&vertex) {
            handle.abort();
        }
    }

    /// The nodes whose calls are in flight.
    pub(in crate::driver) fn vertices(&self) -> impl Iterator<Item = VertexId> {
        self.handles.keys().copied()
    }

    /// The nodes whose calls ended without an outcome, because they waited for what a shutdown has stopped.
    pub(in crate::driver) fn interrupted(&self) -> &[VertexId] {
        &self.interrupted
    }

    pub(in crate::driver) fn contains(&self, vertex: VertexId) -> bool {
        self.handles.contains_key(&vertex)
    }

    /// Collects all calls that have ended by now.
    pub(in crate::driver) fn poll_ended(
        &mut self,
        cx: &mut Context<'_>,
        ended: &mut Vec<(VertexId, CallEnd)>,
    ) {
        while let Poll::Ready(Some(call)) = self.futures.poll_next_unpin(cx) {
            if let Ok((vertex, end)) = call {
                self.handles.remove(&vertex);
                match end {
                    Some(end) => ended.push((vertex, end)),
                    None => self.interrupted.push(vertex),
                }
            }
        }
    }
}
