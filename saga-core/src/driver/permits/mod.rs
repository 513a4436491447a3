//! Permits for calls: limits on how many calls may run at once, over all sagas of a coordinator.
//!
//! Sagas take turns. A saga that waits for permits is granted one, and then goes to the end of the queue, however
//! many more it needs. So a saga with a thousand calls delays no other saga.

mod deadlock;
mod share;
mod shared;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use tokio::sync::Notify;

use crate::ambient::HashMap;
use crate::log::SagaId;
use crate::machine::VertexId;
use crate::planted::{Mistake, planted};
pub(super) use deadlock::Caller;
use deadlock::WaitingCall;
use share::Share;
pub(crate) use share::ShareTerms;
pub use shared::LimitedAction;

/// The limits of one coordinator, and who waits for them.
#[derive(Clone, Default)]
pub(crate) struct CallLimits(Arc<Limited>);

#[derive(Default)]
struct Limited {
    queues: Mutex<PermitQueues>,
    /// Notified when a share in a limit over all workers should change.
    shares_changed: Notify,
}

/// The queues in which sagas wait for permits: one for each limited action, one for all other actions.
#[derive(Default)]
struct PermitQueues {
    /// How many more calls there may be in all; `None` if that is not limited.
    all: Option<usize>,
    /// How many calls there are in all.
    in_all: usize,
    /// The first queue is for actions without a limit of their own.
    queues: Vec<PermitQueue>,
    by_action: HashMap<String, usize>,
    sagas: HashMap<u64, Contender>,
    /// Calls that wait for the end of another saga, in the order in which they began to wait.
    waiting_calls: BTreeMap<u64, WaitingCall>,
    /// The last number that was given to a saga, a call, or a place in the queues.
    last: u64,
}

#[derive(Default)]
struct PermitQueue {
    /// How many permits there are in this process; `None` if they are not limited.
    most: Option<usize>,
    /// The share of this process, if all workers of the store are limited together.
    share: Option<Share>,
    /// How many permits are taken.
    taken: usize,
    /// How many nodes wait.
    waiting: usize,
    /// What sagas wait for, by place. A saga has the same place in all queues.
    queued: BTreeMap<u64, QueuedNodes>,
}

/// The nodes of one saga that wait in one queue.
struct QueuedNodes {
    saga: u64,
    nodes: VecDeque<VertexId>,
}

/// A saga that has requested permits.
#[derive(Default)]
struct Contender {
    id: Option<SagaId>,
    place: u64,
    /// In how many queues it waits.
    queued_in: usize,
    /// Permits that it was granted and has not picked up.
    granted: Vec<Granted>,
    waker: Option<Waker>,
}

/// A permit that a saga was granted.
#[derive(Clone, Copy)]
struct Granted {
    node: VertexId,
    queue: usize,
    /// How often the lease of this process had ended by then, if its action is limited over all workers.
    lapses: Option<u64>,
}

impl CallLimits {
    /// Limits all calls together.
    pub(crate) fn limit_all(&mut self, calls: usize) {
        self.lock().all = Some(calls.max(1));
    }

    /// Limits the calls of one action and its undo in this process.
    pub(crate) fn limit_action(&mut self, action: String, calls: usize) {
        if let Some(queue) = self.lock().queue_of(action) {
            queue.most = Some(calls.max(1));
        }
    }

    /// True if nothing is limited.
    pub(crate) fn is_empty(&self) -> bool {
        let queues = self.lock();
        queues.all.is_none() && queues.by_action.is_empty()
    }

    /// The actions that have a limit of their own, in order.
    pub(crate) fn actions(&self) -> Vec<String> {
        let mut actions = self.lock().by_action.keys().cloned().collect::<Vec<_>>();
        actions.sort();
        actions
    }

    /// True if both are the limits of the same coordinator.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn lock(&self) -> MutexGuard<'_, PermitQueues> {
        self.0.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, and wakes the sagas that are granted permits by that.
    fn change<T>(&self, change: impl FnOnce(&mut PermitQueues) -> T) -> T {
        let (changed, wakers, shares_changed) = {
            let mut queues = self.lock();
            let changed = change(&mut queues);
            let mut wakers = queues.grant();
            wakers.extend(queues.break_deadlock());
            (changed, wakers, queues.note_shares())
        };
        wakers.into_iter().for_each(Waker::wake);
        if shares_changed {
            self.0.shares_changed.notify_one();
        }
        changed
    }
}

impl PermitQueue {
    /// True if a permit can be granted.
    fn has_room(&self) -> bool {
        let one_more = usize::from(planted(Mistake::OnePermitTooMany));
        let whole = planted(Mistake::WholeLimitTaken);
        let may = |share: &Share| if whole { share.limit() } else { share.may() };
        self.most.is_none_or(|most| self.taken < most + one_more)
            && self.share.as_ref().is_none_or(|share| self.taken < may(share) as usize)
    }

    /// True if no permit can be granted before one is returned here. A share may grow until then.
    fn is_full(&self) -> bool {
        let limit = self.share.as_ref().map(|share| share.limit() as usize);
        self.most.into_iter().chain(limit).any(|most| self.taken >= most)
    }

    /// Removes the nodes of a saga that wait at this place.
    fn leave(&mut self, place: u64) -> Option<QueuedNodes> {
        let left = self.queued.remove(&place);
        self.waiting -= left.as_ref().map_or(0, |left| left.nodes.len());
        left
    }
}

impl PermitQueues {
    fn first_queue(&mut self) {
        if self.queues.is_empty() {
            self.queues.push(PermitQueue::default());
        }
    }

    /// The queue of an action, from now on with a limit of its own.
    fn queue_of(&mut self, action: String) -> Option<&mut PermitQueue> {
        self.first_queue();
        let next = self.queues.len();
        let queue = *self.by_action.entry(action).or_insert(next);
        if queue == next {
            self.queues.push(PermitQueue::default());
        }
        self.queues.get_mut(queue)
    }

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn request(&mut self, saga: u64, id: &SagaId, node: VertexId, action: &str) {
        self.first_queue();
        let behind = self.next();
        let queue = self.by_action.get(action).copied().unwrap_or(0);
        let contender = self.sagas.entry(saga).or_default();
        contender.id.get_or_insert_with(|| id.clone());
        if contender.queued_in == 0 {
            contender.place = behind;
        }
        let Some(queue) = self.queues.get_mut(queue) else { return };
        let queued = queue.queued.entry(contender.place).or_insert_with(|| {
            contender.queued_in += 1;
            QueuedNodes { saga, nodes: VecDeque::new() }
        });
        queued.nodes.push_back(node);
        queue.waiting += 1;
    }

    /// Grants free permits to the sagas whose turn it is. Returns whom to wake.
    fn grant(&mut self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        while self.all != Some(0) {
            let open = self.queues.iter().enumerate().filter(|(_, queue)| queue.has_room());
            let first = open.filter_map(|(i, queue)| Some((*queue.queued.first_key_value()?.0, i)));
            let Some((place, i)) = first.min() else { break };
            let Some(queue) = self.queues.get_mut(i) else { break };
            let Some(queued) = queue.queued.get_mut(&place) else { break };
            let (saga, node) = (queued.saga, queued.nodes.pop_front());
            let was_last = queued.nodes.is_empty();
            if was_last {
                queue.queued.remove(&place);
            }
            let Some(node) = node else { continue };
            queue.waiting -= 1;
            queue.taken += 1;
            let lapses = queue.share.as_ref().map(Share::lapses);
            self.all = self.all.map(|all| all - 1);
            self.in_all += 1;
            if let Some(contender) = self.sagas.get_mut(&saga) {
                contender.queued_in -= usize::from(was_last);
                contender.granted.push(Granted { node, queue: i, lapses });
                wakers.extend(
                    contender.waker.take().filter(|_| !planted(Mistake::PermitDoesNotWake)),
                );
            }
            self.move_back(saga);
        }
        wakers
    }

    /// Moves a saga behind all others.
    fn move_back(&mut self, saga: u64) {
        let behind = self.next();
        let Some(contender) = self.sagas.get_mut(&saga) else { return };
        let place = std::mem::replace(&mut contender.place, behind);
        for queue in &mut self.queues {
            if let Some(queued) = queue.queued.remove(&place) {
                queue.queued.insert(behind, queued);
            }
        }
    }

    fn return_permit(&mut self, queue: usize) {
        self.all = self.all.map(|all| all + 1);
        self.in_all -= 1;
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.taken -= 1;
        }
    }

    /// A requested permit is not needed any more.
    fn release(&mut self, saga: u64, node: VertexId) {
        let Some(contender) = self.sagas.get_mut(&saga) else { return };
        if let Some(i) = contender.granted.iter().position(|granted| granted.node == node) {
            let granted = contender.granted.remove(i);
            self.return_permit(granted.queue);
            return;
        }
        for queue in &mut self.queues {
            let Some(queued) = queue.queued.get_mut(&contender.place) else { continue };
            let before = queued.nodes.len();
            queued.nodes.retain(|wants| *wants != node);
            queue.waiting -= before - queued.nodes.len();
            if queued.nodes.is_empty() {
                queue.queued.remove(&contender.place);
                contender.queued_in -= 1;
            }
        }
    }

    /// Removes a saga. Returns its waker, which must not be dropped while the queues are locked.
    fn remove(&mut self, saga: u64) -> Option<Waker> {
        let contender = self.sagas.remove(&saga)?;
        for queue in &mut self.queues {
            queue.leave(contender.place);
        }
        for granted in contender.granted {
            self.return_permit(granted.queue);
        }
        contender.waker
    }
}

/// The permit of one call, returned when it is dropped.
pub(super) struct Permit {
    limits: CallLimits,
    queue: usize,
    lapses: Option<u64>,
}

impl Permit {
    pub(super) fn queue(&self) -> usize {
        self.queue
    }

    /// True if the lease of this process has ended since it was granted: another process may have this permit by now.
    fn is_lost(&self) -> bool {
        self.lapses.is_some_and(|lapses| {
            let queues = self.limits.lock();
            let share = queues.queues.get(self.queue).and_then(|queue| queue.share.as_ref());
            share.is_some_and(|share| share.lapses() != lapses)
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.limits.change(|queues| queues.return_permit(self.queue));
    }
}

/// The permits of one saga, once it has requested one.
#[derive(Default)]
pub(super) struct SagaPermits(Option<Box<RequestedPermits>>);

/// The permits that one saga was granted and has not used, and its place in the queues.
struct RequestedPermits {
    limits: CallLimits,
    /// The number of the saga.
    contender: u64,
    granted: BTreeMap<VertexId, Permit>,
}

impl SagaPermits {
    pub(super) fn request(
        &mut self,
        id: &SagaId,
        vertex: VertexId,
        action: &str,
        limits: &CallLimits,
    ) {
        let requested = self.0.get_or_insert_with(|| {
            let (limits, contender) = (limits.clone(), limits.lock().next());
            Box::new(RequestedPermits { limits, contender, granted: BTreeMap::new() })
        });
        limits.change(|queues| queues.request(requested.contender, id, vertex, action));
    }

    /// A permit is not needed any more.
    pub(super) fn release(&mut self, vertex: VertexId) {
        if let Some(requested) = &mut self.0
            && requested.granted.remove(&vertex).is_none()
        {
            requested.limits.change(|queues| queues.release(requested.contender, vertex));
        }
    }

    /// True if the call of this vertex must not start, although it was granted a permit.
    pub(super) fn is_lost(&self, vertex: VertexId) -> bool {
        let requested = self.0.as_ref();
        requested.and_then(|requested| requested.granted.get(&vertex)).is_some_and(Permit::is_lost)
    }

    /// The permit of a call that is started.
    pub(super) fn take(&mut self, vertex: VertexId) -> Option<Permit> {
        self.0.as_mut()?.granted.remove(&vertex)
    }

    /// Collects everything that was granted by now.
    pub(super) fn poll_granted(&mut self, cx: &mut Context<'_>, granted: &mut Vec<VertexId>) {
        let Some(requested) = &mut self.0 else { return };
        let limits = &requested.limits;
        // a waker may come back here when it is dropped, so none is dropped while the queues are locked
        let (given, _waker) = match limits.lock().sagas.get_mut(&requested.contender) {
            Some(contender) => {
                let waker = contender.waker.replace(cx.waker().clone());
                (std::mem::take(&mut contender.granted), waker)
            }
            None => return,
        };
        for Granted { node, queue, lapses } in given {
            requested.granted.insert(node, Permit { limits: limits.clone(), queue, lapses });
            granted.push(node);
        }
    }
}

impl Drop for RequestedPermits {
    fn drop(&mut self) {
        drop(self.limits.change(|queues| queues.remove(self.contender)));
    }
}
