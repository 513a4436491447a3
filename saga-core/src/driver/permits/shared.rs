//! Limits over all workers of a store, as the coordinator that looks after them sees them.

use super::share::{Calls, Planned, Share, ShareTerms};
use super::{CallLimits, PermitQueue, PermitQueues};
use crate::store::{CallShares, ShareChange, SharedCalls, WorkerId};

/// An action whose calls are limited, from [`Health::limited`](crate::Health::limited).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitedAction {
    /// The name of the action.
    pub action: String,
    /// How many calls of it are under way in this process, or are about to begin.
    pub under_way: usize,
    /// How many nodes and undos wait for one of them to end.
    pub waiting: usize,
    /// How many may be under way in this process now: its limit, or its part of a limit over all processes.
    pub may: usize,
}

impl CallLimits {
    /// The actions that have a limit of their own, in order.
    pub(crate) fn limited(&self) -> Vec<LimitedAction> {
        let queues = self.lock();
        let limited = queues.by_action.iter().filter_map(|(action, queue)| {
            let queue = queues.queues.get(*queue)?;
            let share = queue.share.as_ref().map(|share| share.may() as usize);
            let may = queue.most.into_iter().chain(share).min()?;
            let (action, under_way, waiting) = (action.clone(), queue.taken, queue.waiting);
            Some(LimitedAction { action, under_way, waiting, may })
        });
        let mut limited = limited.collect::<Vec<_>>();
        limited.sort_by(|a, b| a.action.cmp(&b.action));
        limited
    }

    /// Limits the calls of one action and its undo in all workers of the store together.
    pub(crate) fn limit_everywhere(&mut self, action: String, calls: usize) {
        if let Some(queue) = self.lock().queue_of(action) {
            queue.share = Some(Share::new(u32::try_from(calls).unwrap_or(u32::MAX)));
        }
    }

    /// The store has no other workers: limits over all of them are limits of this process.
    pub(crate) fn limit_only_worker(&self) {
        for queue in &mut self.lock().queues {
            if let Some(share) = queue.share.take() {
                let limit = share.limit() as usize;
                queue.most = Some(queue.most.map_or(limit, |most| most.min(limit)));
            }
        }
    }

    /// The actions that are limited over all workers, in order.
    pub(crate) fn shared_actions(&self) -> Vec<String> {
        self.shared_actions_that(|_, _| true)
    }

    /// Those of them that calls of this process use, or have used not long ago.
    pub(crate) fn actions_in_use(&self) -> Vec<String> {
        self.shared_actions_that(Share::is_active)
    }

    fn shared_actions_that(&self, is: impl Fn(&Share, Calls) -> bool) -> Vec<String> {
        let queues = self.lock();
        let shared = queues.by_action.iter().filter(|(_, queue)| {
            let queue = queues.queues.get(**queue);
            let share = queue.and_then(|queue| Some((queue.share.as_ref()?, queue)));
            share.is_some_and(|(share, queue)| is(share, queues.calls(queue)))
        });
        let mut actions = shared.map(|(action, _)| action.clone()).collect::<Vec<_>>();
        actions.sort();
        actions
    }

    /// Waits until a share should change soon.
    pub(crate) async fn shares_changed(&self) {
        self.0.shares_changed.notified().await;
    }

    /// What to change in the store about the share in this action.
    pub(crate) fn plan_share(
        &self,
        (me, action): (&WorkerId, &str),
        terms: ShareTerms,
        seen: &SharedCalls,
        there: &CallShares,
    ) -> Option<(ShareChange, Planned)> {
        self.change(|queues| {
            let queue = *queues.by_action.get(action)?;
            let calls = queues.calls(queues.queues.get(queue)?);
            let share = queues.queues.get_mut(queue)?.share.as_mut()?;
            share.plan((me, action), calls, terms, seen, there)
        })
    }

    /// The store has made that change.
    pub(crate) fn share_is_changed(&self, action: &str, planned: &Planned) {
        self.change(|queues| {
            let queue =
                queues.by_action.get(action).and_then(|queue| queues.queues.get_mut(*queue));
            if let Some(share) = queue.and_then(|queue| queue.share.as_mut()) {
                share.confirmed(planned);
            }
        });
    }

    /// The lease of this process has ended: others may have taken its shares.
    pub(crate) fn lapsed(&self) {
        let mut queues = self.lock();
        queues.queues.iter_mut().filter_map(|queue| queue.share.as_mut()).for_each(Share::lapsed);
    }
}

impl PermitQueues {
    /// The calls of an action as its share sees them: it has no use for more than the other limits allow.
    fn calls(&self, queue: &PermitQueue) -> Calls {
        let all = self.all.map(|all| all + self.in_all);
        let wanted = queue.taken + queue.waiting;
        let wanted = queue.most.into_iter().chain(all).fold(wanted, usize::min);
        let number = |calls| u32::try_from(calls).unwrap_or(u32::MAX);
        Calls { under_way: number(queue.taken), wanted: number(wanted) }
    }

    /// Tells the shares how many calls there are. True if one of them should change soon.
    pub(super) fn note_shares(&mut self) -> bool {
        let mut soon = false;
        for i in 0..self.queues.len() {
            let Some(queue) = self.queues.get(i).filter(|queue| queue.share.is_some()) else {
                continue;
            };
            let calls = self.calls(queue);
            if let Some(share) = self.queues.get_mut(i).and_then(|queue| queue.share.as_mut()) {
                soon |= share.note(calls);
            }
        }
        soon
    }
}
