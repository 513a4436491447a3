//! Sagas of a shared store that other processes run, and that somebody here has a handle to: their progress is read from
//! the store, several times a second.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::select;
use tokio::sync::Notify;

use super::CoordinatorInner;
use crate::ambient::HashMap;
use crate::clock::real_pause;
use crate::driver::{ProgressChannel, SagaProgress};
use crate::error::{SagaError, StartError};
use crate::log::{SagaId, without_retold};
use crate::store::{Position, StoreError};

/// How many sagas are asked about in one go.
const PAGE: usize = 500;

/// The sagas that are followed.
#[derive(Default)]
pub(super) struct Followed {
    sagas: Mutex<HashMap<SagaId, FollowedSaga>>,
    /// Notified when there is one to follow.
    begun: Notify,
}

#[derive(Clone)]
struct FollowedSaga {
    /// What its handles see, as long as there are any.
    channel: Weak<ProgressChannel>,
    /// Which run of the saga in this process came before.
    run: u64,
    /// The sequence number of the entry that would be news.
    next_seq: Option<u64>,
}

impl FollowedSaga {
    /// True if both are for the same handles, and in the same run of the saga.
    fn is(&self, other: &Self) -> bool {
        self.run == other.run && Weak::ptr_eq(&self.channel, &other.channel)
    }
}

impl Followed {
    fn sagas(&self) -> MutexGuard<'_, HashMap<SagaId, FollowedSaga>> {
        self.sagas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sagas that somebody still has a handle to, and that this process has not begun to run.
    fn current(&self) -> Vec<(SagaId, FollowedSaga)> {
        let mut sagas = self.sagas();
        sagas.retain(|_, saga| {
            let channel = saga.channel.upgrade();
            channel.is_some_and(|channel| channel.current_run() == saga.run)
        });
        sagas.iter().map(|(id, saga)| (id.clone(), saga.clone())).collect()
    }

    /// Follows a saga, unless its handles are those of one that is followed already.
    fn add(&self, id: &SagaId, saga: FollowedSaga) {
        let mut sagas = self.sagas();
        if !sagas.get(id).is_some_and(|known| known.is(&saga)) {
            sagas.insert(id.clone(), saga);
        }
    }

    fn forget(&self, id: &SagaId, saga: &FollowedSaga) {
        let mut sagas = self.sagas();
        // others may have begun to follow it meanwhile
        if sagas.get(id).is_some_and(|known| known.is(saga)) {
            sagas.remove(id);
        }
    }

    fn forget_all(&self) {
        self.sagas().clear();
    }
}

impl CoordinatorInner {
    /// Shows the handles of a saga that goes on what it does, if that may be in another process: here its own task does.
    pub(super) fn follow(&self, channel: &Arc<ProgressChannel>) {
        if self.is_one_of_many() {
            let saga = FollowedSaga {
                channel: Arc::downgrade(channel),
                run: channel.current_run(),
                next_seq: None,
            };
            self.followed.add(channel.id(), saga);
            self.followed.begun.notify_one();
        }
        if self.is_closing() {
            // a shutdown that began meanwhile may not have seen it
            self.tell_of_shutdown();
        }
    }

    /// A shutdown has begun: tells the handles of sagas that have no task here that this process does not run sagas any more.
    pub(super) fn tell_of_shutdown(&self) {
        self.followed.forget_all();
        for channel in self.progress.without_result() {
            if !self.running().contains_key(channel.id()) {
                channel.fail(SagaError::ShutDown { saga: channel.id().clone() });
            }
        }
    }

    /// Reads the progress of the sagas that are followed, as long as the coordinator exists.
    pub(super) async fn follow_all(inner: Weak<Self>, interval: Duration) {
        loop {
            let Some(this) = inner.upgrade() else { return };
            let mut current = this.followed.current();
            if current.is_empty() {
                let begun = this.followed.begun.notified();
                // the coordinator may be dropped while there is nothing to follow; this wakes up to see that
                select(pin!(begun), pin!(real_pause(Duration::from_secs(1)))).await;
                continue;
            }
            while !current.is_empty() {
                let page = current.split_off(current.len().saturating_sub(PAGE));
                let ids = page.iter().map(|(id, _)| id.clone()).collect();
                // a store that fails is simply asked again
                if let Ok(positions) = this.env.store.positions(ids).await {
                    for ((id, saga), position) in page.into_iter().zip(positions) {
                        this.follow_one(&id, &saga, position).await;
                    }
                }
            }
            drop(this);
            real_pause(interval).await;
        }
    }

    async fn follow_one(
        self: &Arc<Self>,
        id: &SagaId,
        saga: &FollowedSaga,
        position: Option<Position>,
    ) {
        let Some(channel) = saga.channel.upgrade() else { return };
        let Some(position) = position else {
            let error = StartError::from(StoreError::NotFound { saga: id.clone() });
            channel
                .found_in_store(saga.run, SagaProgress::over(channel.status(), Err(error.into())));
            return self.followed.forget(id, saga);
        };
        if saga.next_seq == Some(position.next_seq) && !position.parked {
            return;
        }
        if saga.next_seq.is_some() {
            self.send_events_of_others(id, saga, position).await;
        }
        if !position.status.is_ended() && !position.parked {
            channel.found_in_store(saga.run, SagaProgress::elsewhere(position.status));
            if let Some(known) = self.followed.sagas().get_mut(id).filter(|known| known.is(saga)) {
                known.next_seq = Some(position.next_seq);
            }
            return;
        }
        let found = match self.progress_in_store(id).await {
            Ok((_, progress)) => progress,
            // a store that fails is simply asked again
            Err(StartError::Store(error)) if error.may_pass() => return,
            Err(error) => SagaProgress::over(position.status, Err(error.into())),
        };
        let is_over = found.result.is_some();
        channel.found_in_store(saga.run, found);
        if is_over {
            self.followed.forget(id, saga);
        }
    }

    /// Sends the events of what a saga has done elsewhere since the last look.
    async fn send_events_of_others(&self, id: &SagaId, saga: &FollowedSaga, position: Position) {
        if !self.env.observers.is_observed() {
            return;
        }
        let Ok(stored) = self.stored(id).await else { return };
        let (record, known) = (&stored.saga.record, saga.next_seq.unwrap_or(1));
        let news = without_retold(&stored.saga.entries)
            .filter(|entry| entry.seq >= known && entry.seq < position.next_seq);
        self.env.observers.send_of_another_process(id, &record.name, position.status, news);
    }
}
