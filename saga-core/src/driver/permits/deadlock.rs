//! Deadlocks among calls that wait for the end of another saga of their coordinator. Such a call may wait
//! forever: for a saga that needs the permits which such calls hold, or for the saga that the call belongs to.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::{CallLimits, PermitQueues};
use crate::ambient::{HashMap, HashSet};
use crate::error::SagaError;
use crate::log::{NodePath, SagaId};

/// A call, as the other calls of its coordinator see it.
pub(in crate::driver) struct Caller {
    pub(in crate::driver) limits: CallLimits,
    pub(in crate::driver) saga: SagaId,
    /// The entry of the saga's log that authorizes the call.
    pub(in crate::driver) call: u64,
    pub(in crate::driver) node: NodePath,
    /// The queue of its permit, if it has one.
    pub(in crate::driver) queue: Option<usize>,
}

impl Caller {
    /// Waits, in this call, for the end of a saga.
    ///
    /// # Errors
    /// [`SagaError::WaitsForItself`] if that end may never come.
    pub(in crate::driver) async fn wait<T>(
        &self,
        saga: &SagaId,
        ended: impl Future<Output = T>,
    ) -> Result<T, SagaError> {
        let mut ended = pin!(ended);
        let mut guard = None;
        poll_fn(|cx| {
            if let Poll::Ready(ended) = ended.as_mut().poll(cx) {
                return Poll::Ready(Ok(ended));
            }
            let guard = guard.get_or_insert_with(|| WaitGuard::new(self, saga));
            if guard.must_end(cx) {
                let (saga, by, node) = (saga.clone(), self.saga.clone(), self.node.clone());
                return Poll::Ready(Err(SagaError::WaitsForItself { saga, by, node }));
            }
            Poll::Pending
        })
        .await
    }
}

/// A call that waits.
pub(super) struct WaitingCall {
    /// The saga that the call belongs to.
    saga: SagaId,
    call: u64,
    queue: Option<usize>,
    /// The saga that it waits for.
    target: SagaId,
    waker: Option<Waker>,
    /// True if it must not wait any longer.
    must_end: bool,
}

/// Keeps a call in the set of waiting calls until it is dropped.
struct WaitGuard<'a> {
    limits: &'a CallLimits,
    number: u64,
}

impl<'a> WaitGuard<'a> {
    fn new(caller: &'a Caller, target: &SagaId) -> Self {
        let (saga, target) = (caller.saga.clone(), target.clone());
        let (call, queue) = (caller.call, caller.queue);
        let wait = WaitingCall { call, saga, queue, target, waker: None, must_end: false };
        let number = caller.limits.change(|queues| {
            let number = queues.next();
            queues.waiting_calls.insert(number, wait);
            number
        });
        Self { limits: &caller.limits, number }
    }

    fn must_end(&self, cx: &Context<'_>) -> bool {
        let waker = Some(cx.waker().clone());
        let mut queues = self.limits.lock();
        let wait = queues.waiting_calls.get_mut(&self.number);
        let (must_end, _before) = wait.map_or((false, None), |wait| {
            (wait.must_end, std::mem::replace(&mut wait.waker, waker))
        });
        // the old waker must not be dropped while the queues are locked
        drop(queues);
        must_end
    }
}

impl Drop for WaitGuard<'_> {
    fn drop(&mut self) {
        drop(self.limits.change(|queues| queues.waiting_calls.remove(&self.number)));
    }
}

impl PermitQueues {
    /// Ends one of the waits that would never end. Returns whom to wake.
    ///
    /// Everything that may be blocked is assumed to be, and whatever can proceed is taken out until nothing
    /// changes. A call is blocked if it waits for a blocked saga; a limit, if every call within it is blocked; a
    /// saga, if it waits for a permit of a blocked limit or has a blocked call.
    pub(super) fn break_deadlock(&mut self) -> Option<Waker> {
        if self.waiting_calls.is_empty() {
            return None;
        }
        let mut wants = HashMap::<&SagaId, Vec<usize>>::default();
        for (i, queue) in self.queues.iter().enumerate() {
            for queued in queue.queued.values() {
                let contender = self.sagas.get(&queued.saga);
                if let Some(id) = contender.and_then(|contender| contender.id.as_ref()) {
                    wants.entry(id).or_default().push(i);
                }
            }
        }
        let mut blocked = wants.keys().copied().collect::<HashSet<_>>();
        blocked.extend(self.waiting_calls.values().map(|wait| &wait.saga));
        loop {
            let calls = self
                .waiting_calls
                .values()
                .filter(|wait| !wait.must_end && blocked.contains(&wait.target));
            let calls =
                calls.map(|wait| ((&wait.saga, wait.call), wait)).collect::<HashMap<_, _>>();
            let within = |queue: Option<usize>| {
                let takes = |wait: &&&WaitingCall| {
                    wait.queue.is_some() && (queue.is_none() || wait.queue == queue)
                };
                calls.values().filter(takes).count()
            };
            let all = self.all == Some(0) && within(None) == self.in_all;
            let queues = self.queues.iter().enumerate();
            let queues = queues.map(|(i, queue)| queue.is_full() && within(Some(i)) == queue.taken);
            let queues = queues.collect::<Vec<_>>();
            let callers = calls.values().map(|wait| &wait.saga).collect::<HashSet<_>>();
            let before = blocked.len();
            blocked.retain(|saga| {
                let is_full = |i: &usize| all || queues.get(*i).copied().unwrap_or(false);
                callers.contains(saga)
                    || wants.get(saga).is_some_and(|wants| wants.iter().any(is_full))
            });
            if blocked.len() == before {
                break;
            }
        }
        let is_blocked = |wait: &WaitingCall| !wait.must_end && blocked.contains(&wait.target);
        let endless = self
            .waiting_calls
            .iter()
            .filter(|(_, wait)| is_blocked(wait))
            .map(|(number, _)| *number);
        // once the last one ends, the others may proceed
        let wait = self.waiting_calls.get_mut(&endless.max()?)?;
        wait.must_end = true;
        wait.waker.take()
    }
}
