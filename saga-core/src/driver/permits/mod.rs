//! Bounds on how many calls run at once, over all sagas of a coordinator.
//!
//! Sagas take turns: each that waits for room is given it for one call, and then stands behind the others,
//! however many more it wants. So one with a thousand calls holds nobody up.

mod deadlock;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use crate::log::SagaId;
use crate::machine::VertexId;
pub(super) use deadlock::Caller;
use deadlock::WaitingCall;

/// The bounds themselves.
#[derive(Clone, Default)]
pub(crate) struct Bounds(Arc<Mutex<PermitQueues>>);

/// Where sagas stand in line.
#[derive(Default)]
struct PermitQueues {
    /// How many more calls there may be in all; none if that has no bound.
    all: Option<usize>,
    /// How many there are.
    in_all: usize,
    /// The first line is for actions without a bound of their own.
    lines: Vec<PermitQueue>,
    by_action: HashMap<String, usize>,
    sagas: HashMap<u64, Contender>,
    /// Calls that wait for the end of another saga, by the order in which they began to.
    waits: BTreeMap<u64, WaitingCall>,
    /// The last number that was given to a saga, or to a place in line.
    last: u64,
}

#[derive(Default)]
struct PermitQueue {
    free: Option<usize>,
    /// How many calls there are.
    taken: usize,
    /// What sagas want, by their places, which are the same in all lines.
    wanted: BTreeMap<u64, QueuedNodes>,
}

/// The nodes of one saga that wait in one line.
struct QueuedNodes {
    saga: u64,
    nodes: VecDeque<VertexId>,
}

/// A saga that has asked for room.
#[derive(Default)]
struct Contender {
    id: Option<SagaId>,
    place: u64,
    /// In how many lines it stands.
    stands: usize,
    /// What it was given and has not looked at, with the line.
    granted: Vec<(VertexId, usize)>,
    waker: Option<Waker>,
}

impl Bounds {
    pub(crate) fn bound_all(&mut self, calls: usize) {
        self.queues().all = Some(calls.max(1));
    }

    pub(crate) fn bound_action(&mut self, action: String, calls: usize) {
        let mut queues = self.queues();
        queues.first_line();
        let next = queues.lines.len();
        let line = *queues.by_action.entry(action).or_insert(next);
        if line == next {
            queues.lines.push(PermitQueue::default());
        }
        if let Some(line) = queues.lines.get_mut(line) {
            line.free = Some(calls.max(1));
        }
    }

    /// True if there is no bound at all.
    pub(crate) fn is_empty(&self) -> bool {
        let queues = self.queues();
        queues.all.is_none() && queues.by_action.is_empty()
    }

    /// The actions that have a bound of their own, in order.
    pub(crate) fn actions(&self) -> Vec<String> {
        let mut actions = self.queues().by_action.keys().cloned().collect::<Vec<_>>();
        actions.sort();
        actions
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn queues(&self) -> MutexGuard<'_, PermitQueues> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, and wakes the sagas that are given room thereby.
    fn change<T>(&self, change: impl FnOnce(&mut PermitQueues) -> T) -> T {
        let (changed, wakers) = {
            let mut queues = self.queues();
            let changed = change(&mut queues);
            let mut wakers = queues.give();
            wakers.extend(queues.break_circle());
            (changed, wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
        changed
    }
}

impl PermitQueues {
    fn first_line(&mut self) {
        if self.lines.is_empty() {
            self.lines.push(PermitQueue::default());
        }
    }

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn want(&mut self, saga: u64, id: &SagaId, node: VertexId, action: &str) {
        self.first_line();
        let behind = self.next();
        let line = self.by_action.get(action).copied().unwrap_or(0);
        let member = self.sagas.entry(saga).or_default();
        member.id.get_or_insert_with(|| id.clone());
        if member.stands == 0 {
            member.place = behind;
        }
        let Some(line) = self.lines.get_mut(line) else { return };
        let wanted = line.wanted.entry(member.place).or_insert_with(|| {
            member.stands += 1;
            QueuedNodes { saga, nodes: VecDeque::new() }
        });
        wanted.nodes.push_back(node);
    }

    /// Gives the room that there is to the sagas whose turn it is; whom to wake.
    fn give(&mut self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        while self.all != Some(0) {
            let open = self.lines.iter().enumerate().filter(|(_, line)| line.free != Some(0));
            let first = open.filter_map(|(i, line)| Some((*line.wanted.first_key_value()?.0, i)));
            let Some((place, i)) = first.min() else { break };
            let Some(line) = self.lines.get_mut(i) else { break };
            let Some(wanted) = line.wanted.get_mut(&place) else { break };
            let (saga, node) = (wanted.saga, wanted.nodes.pop_front());
            let through = wanted.nodes.is_empty();
            if through {
                line.wanted.remove(&place);
            }
            let Some(node) = node else { continue };
            line.free = line.free.map(|free| free - 1);
            line.taken += 1;
            self.all = self.all.map(|all| all - 1);
            self.in_all += 1;
            if let Some(member) = self.sagas.get_mut(&saga) {
                member.stands -= usize::from(through);
                member.granted.push((node, i));
                wakers.extend(member.waker.take());
            }
            self.move_back(saga);
        }
        wakers
    }

    /// The saga stands behind all others from now on.
    fn move_back(&mut self, saga: u64) {
        let behind = self.next();
        let Some(member) = self.sagas.get_mut(&saga) else { return };
        let place = std::mem::replace(&mut member.place, behind);
        for line in &mut self.lines {
            if let Some(wanted) = line.wanted.remove(&place) {
                line.wanted.insert(behind, wanted);
            }
        }
    }

    fn give_back(&mut self, line: usize) {
        self.all = self.all.map(|all| all + 1);
        self.in_all -= 1;
        if let Some(line) = self.lines.get_mut(line) {
            line.taken -= 1;
            line.free = line.free.map(|free| free + 1);
        }
    }

    /// The room that was asked for is not needed.
    fn forget(&mut self, saga: u64, node: VertexId) {
        let Some(member) = self.sagas.get_mut(&saga) else { return };
        if let Some(i) = member.granted.iter().position(|(granted, _)| *granted == node) {
            let (_, line) = member.granted.remove(i);
            self.give_back(line);
            return;
        }
        for line in &mut self.lines {
            let Some(wanted) = line.wanted.get_mut(&member.place) else { continue };
            wanted.nodes.retain(|wants| *wants != node);
            if wanted.nodes.is_empty() {
                line.wanted.remove(&member.place);
                member.stands -= 1;
            }
        }
    }

    /// Returns its waker, which is not to be dropped in here.
    fn leave(&mut self, saga: u64) -> Option<Waker> {
        let member = self.sagas.remove(&saga)?;
        for line in &mut self.lines {
            line.wanted.remove(&member.place);
        }
        for (_, line) in member.granted {
            self.give_back(line);
        }
        member.waker
    }
}

/// Permit for one call, given back when it is dropped.
pub(super) struct Permit {
    bounds: Bounds,
    line: usize,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.bounds.change(|queues| queues.give_back(self.line));
    }
}

/// What one saga waits for, and what it was granted and has not used.
#[derive(Default)]
pub(super) struct SagaPermits {
    /// Where it stands in line, once it has asked for something.
    member: Option<(Bounds, u64)>,
    granted: HashMap<VertexId, Permit>,
}

impl SagaPermits {
    pub(super) fn want(&mut self, id: &SagaId, vertex: VertexId, action: &str, bounds: &Bounds) {
        let (bounds, saga) = self.member.get_or_insert_with(|| {
            let saga = bounds.queues().next();
            (bounds.clone(), saga)
        });
        bounds.change(|queues| queues.want(*saga, id, vertex, action));
    }

    /// It is not needed any more.
    pub(super) fn free(&mut self, vertex: VertexId) {
        if self.granted.remove(&vertex).is_none()
            && let Some((bounds, saga)) = &self.member
        {
            bounds.change(|queues| queues.forget(*saga, vertex));
        }
    }

    /// The room of a call that goes out.
    pub(super) fn take(&mut self, vertex: VertexId) -> Option<Permit> {
        self.granted.remove(&vertex)
    }

    /// All that was granted by now.
    pub(super) fn poll_granted(&mut self, task: &mut Context<'_>, granted: &mut Vec<VertexId>) {
        let Some((bounds, saga)) = &self.member else { return };
        // nothing that may come back here is dropped while the queues is locked
        let (given, _waker) = match bounds.queues().sagas.get_mut(saga) {
            Some(member) => {
                let waker = member.waker.replace(task.waker().clone());
                (std::mem::take(&mut member.granted), waker)
            }
            None => return,
        };
        for (vertex, line) in given {
            self.granted.insert(vertex, Permit { bounds: bounds.clone(), line });
            granted.push(vertex);
        }
    }
}

impl Drop for SagaPermits {
    fn drop(&mut self) {
        if let Some((bounds, saga)) = &self.member {
            drop(bounds.change(|queues| queues.leave(*saga)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> SagaId {
        SagaId::generate()
    }

    fn granted(permits: &mut SagaPermits) -> Vec<VertexId> {
        let mut granted = Vec::new();
        permits.poll_granted(&mut Context::from_waker(Waker::noop()), &mut granted);
        granted
    }

    #[test]
    fn sagas_take_turns() {
        let mut bounds = Bounds::default();
        bounds.bound_all(2);
        let (mut wide, mut small, mut late) =
            (SagaPermits::default(), SagaPermits::default(), SagaPermits::default());
        (0..100).for_each(|v| wide.want(&id(), v, "a", &bounds));
        small.want(&id(), 7, "b", &bounds);
        assert_eq!((granted(&mut wide), granted(&mut small)), (vec![0, 1], vec![]));
        drop(wide.take(0));
        assert_eq!((granted(&mut wide), granted(&mut small)), (vec![2], vec![]));
        late.want(&id(), 8, "b", &bounds);
        drop(wide.take(1));
        // the wide one stands behind it now
        assert_eq!((granted(&mut wide), granted(&mut small)), (vec![], vec![7]));
        drop(small.take(7));
        drop(wide.take(2));
        assert_eq!((granted(&mut wide), granted(&mut late)), (vec![3], vec![8]));
        drop(wide);
        small.want(&id(), 9, "a", &bounds);
        assert_eq!(granted(&mut small), [9]);
        assert_eq!(bounds.queues().all, Some(0));
        drop((small, late));
        let queues = bounds.queues();
        assert_eq!((queues.all, queues.sagas.len()), (Some(2), 0));
    }

    #[test]
    fn a_line_that_stands_holds_up_no_other() {
        let mut bounds = Bounds::default();
        bounds.bound_all(3);
        bounds.bound_action("a".into(), 1);
        let (mut x, mut y) = (SagaPermits::default(), SagaPermits::default());
        x.want(&id(), 0, "a", &bounds);
        x.want(&id(), 1, "a", &bounds);
        y.want(&id(), 0, "a", &bounds);
        y.want(&id(), 1, "b", &bounds);
        x.want(&id(), 2, "b", &bounds);
        assert_eq!((granted(&mut x), granted(&mut y)), (vec![0, 2], vec![1]));
        // what is given up, waiting or granted, goes to the next
        x.free(0);
        assert_eq!((granted(&mut x), granted(&mut y)), (vec![], vec![0]));
        x.free(1);
        y.free(0);
        y.free(1);
        x.free(2);
        let queues = bounds.queues();
        assert_eq!(queues.all, Some(3));
        assert!(queues.lines.iter().all(|line| line.wanted.is_empty() && line.free != Some(0)));
    }
}
