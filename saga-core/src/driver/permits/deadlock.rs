//! Calls that wait for the end of another saga of their coordinator, and may wait for ever: for one that
//! waits for the room which such calls take, or for the saga that they are calls of.

use std::collections::{HashMap, HashSet};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::{Bounds, Permit, PermitQueues};
use crate::error::SagaError;
use crate::log::{NodePath, SagaId};

/// A call, as others of its coordinator see it.
pub(in crate::driver) struct Caller {
    bounds: Bounds,
    /// Its number.
    call: u64,
    saga: SagaId,
    node: NodePath,
    /// Where it takes room: among all, and in a line.
    line: Option<usize>,
}

impl Caller {
    pub(in crate::driver) fn new(
        bounds: &Bounds,
        saga: &SagaId,
        node: &NodePath,
        room: Option<&Permit>,
    ) -> Self {
        let call = bounds.queues().next();
        let (bounds, saga, node) = (bounds.clone(), saga.clone(), node.clone());
        Self { bounds, call, saga, node, line: room.map(|room| room.line) }
    }

    /// Waits in this call for the end of a saga.
    ///
    /// # Errors
    /// [`SagaError::WaitsForItself`] if that may never come.
    pub(in crate::driver) async fn wait<T>(
        &self,
        saga: &SagaId,
        ended: impl Future<Output = T>,
    ) -> Result<T, SagaError> {
        let mut ended = pin!(ended);
        let mut place = None;
        poll_fn(|task| {
            if let Poll::Ready(ended) = ended.as_mut().poll(task) {
                return Poll::Ready(Ok(ended));
            }
            let place = place.get_or_insert_with(|| WaitGuard::new(self, saga));
            if place.is_lost(task) {
                let (saga, by, node) = (saga.clone(), self.saga.clone(), self.node.clone());
                return Poll::Ready(Err(SagaError::WaitsForItself { saga, by, node }));
            }
            Poll::Pending
        })
        .await
    }

    /// True for a call of the coordinator that has these bounds.
    pub(in crate::driver) fn is_of(&self, bounds: &Bounds) -> bool {
        self.bounds.is(bounds)
    }
}

/// A call that waits.
pub(super) struct WaitingCall {
    call: u64,
    /// CallLabel call it is.
    saga: SagaId,
    line: Option<usize>,
    /// What it waits for.
    target: SagaId,
    waker: Option<Waker>,
    /// It must not wait any longer.
    lost: bool,
}

/// A wait that has begun, and is over when this is dropped.
struct WaitGuard<'a> {
    bounds: &'a Bounds,
    number: u64,
}

impl<'a> WaitGuard<'a> {
    fn new(caller: &'a Caller, target: &SagaId) -> Self {
        let (saga, target) = (caller.saga.clone(), target.clone());
        let (call, line) = (caller.call, caller.line);
        let wait = WaitingCall { call, saga, line, target, waker: None, lost: false };
        let number = caller.bounds.change(|queues| {
            let number = queues.next();
            queues.waits.insert(number, wait);
            number
        });
        Self { bounds: &caller.bounds, number }
    }

    fn is_lost(&self, task: &Context<'_>) -> bool {
        let waker = Some(task.waker().clone());
        let mut queues = self.bounds.queues();
        let wait = queues.waits.get_mut(&self.number);
        let (lost, _before) = wait
            .map_or((false, None), |wait| (wait.lost, std::mem::replace(&mut wait.waker, waker)));
        // a waker is not dropped in the queues
        drop(queues);
        lost
    }
}

impl Drop for WaitGuard<'_> {
    fn drop(&mut self) {
        drop(self.bounds.change(|queues| queues.waits.remove(&self.number)));
    }
}

impl PermitQueues {
    /// Ends one of the waits that would never end; whom to wake.
    ///
    /// All that may stand is taken to stand, and then what can go on is taken out until nothing changes:
    /// a call stands if it waits for a saga that stands; a bound, if every call within it stands; a saga, if
    /// it waits for such a bound or has such a call.
    pub(super) fn break_circle(&mut self) -> Option<Waker> {
        if self.waits.is_empty() {
            return None;
        }
        let mut wants = HashMap::<&SagaId, Vec<usize>>::new();
        for (i, line) in self.lines.iter().enumerate() {
            for wanted in line.wanted.values() {
                let member = self.sagas.get(&wanted.saga);
                if let Some(id) = member.and_then(|member| member.id.as_ref()) {
                    wants.entry(id).or_default().push(i);
                }
            }
        }
        let mut stand = wants.keys().copied().collect::<HashSet<_>>();
        stand.extend(self.waits.values().map(|wait| &wait.saga));
        loop {
            let calls =
                self.waits.values().filter(|wait| !wait.lost && stand.contains(&wait.target));
            let calls = calls.map(|wait| (wait.call, wait)).collect::<HashMap<_, _>>();
            let within = |line: Option<usize>| {
                let takes = |wait: &&&WaitingCall| {
                    wait.line.is_some() && (line.is_none() || wait.line == line)
                };
                calls.values().filter(takes).count()
            };
            let all = self.all == Some(0) && within(None) == self.in_all;
            let lines = self.lines.iter().enumerate();
            let lines =
                lines.map(|(i, line)| line.free == Some(0) && within(Some(i)) == line.taken);
            let lines = lines.collect::<Vec<_>>();
            let callers = calls.values().map(|wait| &wait.saga).collect::<HashSet<_>>();
            let before = stand.len();
            stand.retain(|saga| {
                let bound = |i: &usize| all || lines.get(*i).copied().unwrap_or(false);
                callers.contains(saga)
                    || wants.get(saga).is_some_and(|wants| wants.iter().any(bound))
            });
            if stand.len() == before {
                break;
            }
        }
        let stands = |wait: &WaitingCall| !wait.lost && stand.contains(&wait.target);
        let lost = self.waits.iter().filter(|(_, wait)| stands(wait)).map(|(number, _)| *number);
        // the others may go on then
        let wait = self.waits.get_mut(&lost.max()?)?;
        wait.lost = true;
        wait.waker.take()
    }
}
