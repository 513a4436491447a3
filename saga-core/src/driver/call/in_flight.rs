//! The calls of one saga that are in flight.
//!
//! A saga mostly has one call at a time, which is polled whenever the saga's task is. Where there are several,
//! each has a waker of its own, so that only those are polled that can go on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use tracing::Span;

use super::attempt::{CallEnd, GuardedAttempt};
use super::blocking::PollTimes;
use crate::driver::current_call::CurrentCall;
use crate::driver::permits::Permit;
use crate::machine::{AuthorizedCall, VertexId};

/// A call in flight.
pub(super) struct Call<'a> {
    pub(super) authorized: AuthorizedCall,
    pub(super) attempt: Option<GuardedAttempt<'a>>,
    pub(super) current: CurrentCall,
    /// What the action logs is found under its saga and node.
    pub(super) span: Span,
    pub(super) times: PollTimes,
    /// Returned once nothing of the attempt is left.
    pub(super) permit: Option<Permit>,
}

impl Call<'_> {
    /// Ready with the end of the call; with `None` if a shutdown interrupted it.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<CallEnd>> {
        let Some(attempt) = &mut self.attempt else { return Poll::Pending };
        let _entered = self.span.enter();
        let began = Instant::now();
        let polled = self.current.poll(|| attempt.poll(cx));
        if let Some(call) = self.current.context() {
            self.times.ended(began, call);
        }
        polled
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let _entered = self.span.enter();
        self.attempt = None;
        drop(self.permit.take());
    }
}

/// A call among others, and what wakes it.
struct Woken<'a> {
    call: Call<'a>,
    signal: Arc<CallSignal>,
    waker: Waker,
}

/// Wakes the task of the saga, and tells it which call can go on.
struct CallSignal {
    vertex: VertexId,
    /// True from when it is in the queue until it is polled.
    queued: AtomicBool,
    ready: Arc<ReadyCalls>,
}

impl Wake for CallSignal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            let task = {
                let mut ready = self.ready.lock();
                ready.calls.push(self.vertex);
                ready.task.take()
            };
            task.into_iter().for_each(Waker::wake);
        }
    }
}

/// The calls that can go on.
#[derive(Default)]
struct ReadyCalls(Mutex<ReadyList>);

#[derive(Default)]
struct ReadyList {
    calls: Vec<VertexId>,
    /// The task of the saga, while it sleeps.
    task: Option<Waker>,
}

impl ReadyCalls {
    fn lock(&self) -> MutexGuard<'_, ReadyList> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All calls of one saga that are in flight.
#[derive(Default)]
pub(in crate::driver) struct CallsInFlight<'a> {
    /// The only call.
    lone: Option<Call<'a>>,
    several: BTreeMap<VertexId, Woken<'a>>,
    /// The calls among several that have not been polled yet.
    fresh: Vec<VertexId>,
    ready: Arc<ReadyCalls>,
    interrupted: Vec<VertexId>,
}

impl<'a> CallsInFlight<'a> {
    pub(super) fn add(&mut self, call: Call<'a>) {
        if self.lone.is_none() && self.several.is_empty() {
            self.lone = Some(call);
            return;
        }
        let calls = [self.lone.take(), Some(call)];
        for call in calls.into_iter().flatten() {
            let (vertex, ready) = (call.authorized.vertex, self.ready.clone());
            let signal = Arc::new(CallSignal { vertex, queued: AtomicBool::new(true), ready });
            let waker = Waker::from(signal.clone());
            self.fresh.push(vertex);
            self.several.insert(vertex, Woken { call, signal, waker });
        }
    }

    /// Drops a call: it is never polled again, and its end is never reported.
    pub(in crate::driver) fn drop_call(&mut self, vertex: VertexId) {
        drop(self.lone.take_if(|call| call.authorized.vertex == vertex));
        drop(self.several.remove(&vertex));
    }

    /// The nodes whose calls are in flight.
    pub(in crate::driver) fn vertices(&self) -> impl Iterator<Item = VertexId> {
        let lone = self.lone.iter().map(|call| call.authorized.vertex);
        lone.chain(self.several.keys().copied())
    }

    /// The nodes whose calls ended without an outcome, because they waited for what a shutdown has stopped.
    pub(in crate::driver) fn interrupted(&self) -> &[VertexId] {
        &self.interrupted
    }

    /// True if this very call is in flight.
    pub(in crate::driver) fn contains(&self, call: &AuthorizedCall) -> bool {
        let lone = self.lone.as_ref();
        let among = || self.several.get(&call.vertex).map(|woken| &woken.call);
        lone.or_else(among).is_some_and(|found| found.authorized == *call)
    }

    /// Collects all calls that have ended by now.
    pub(in crate::driver) fn poll_ended(
        &mut self,
        cx: &mut Context<'_>,
        ended: &mut Vec<(VertexId, CallEnd)>,
    ) {
        if let Some(call) = &mut self.lone
            && let Poll::Ready(end) = call.poll(cx)
        {
            let vertex = call.authorized.vertex;
            self.lone = None;
            self.over(vertex, end, ended);
        }
        if self.several.is_empty() {
            return;
        }
        let mut calls = std::mem::take(&mut self.fresh);
        {
            let mut ready = self.ready.lock();
            calls.append(&mut ready.calls);
            if !ready.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
                let before = ready.task.replace(cx.waker().clone());
                // a waker runs code when it is dropped, so it is not dropped under the lock
                drop(ready);
                drop(before);
            }
        }
        for vertex in calls.drain(..) {
            let Some(woken) = self.several.get_mut(&vertex) else { continue };
            woken.signal.queued.store(false, Ordering::Release);
            if let Poll::Ready(end) = woken.call.poll(&mut Context::from_waker(&woken.waker)) {
                self.several.remove(&vertex);
                self.over(vertex, end, ended);
            }
        }
        // its room is used again
        self.fresh = calls;
    }

    fn over(
        &mut self,
        vertex: VertexId,
        end: Option<CallEnd>,
        ended: &mut Vec<(VertexId, CallEnd)>,
    ) {
        match end {
            Some(end) => {
                if ended.capacity() == 0 {
                    // mostly there is one at a time
                    ended.reserve_exact(1);
                }
                ended.push((vertex, end));
            }
            None => self.interrupted.push(vertex),
        }
    }
}
