//! What other processes ask for: found in the store, and carried out here.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::select;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::CoordinatorInner;
use crate::clock::real_pause;
use crate::error::OperateError;
use crate::log::{Answer, Refusal, Request, SagaId, Uuid};

/// How often requests of other processes are looked for, by the system's clock.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How long one waits whose saga's store has failed.
const STORE: Duration = Duration::from_secs(5);
/// How many new ones at a time.
const AT_ONCE: usize = 64;

/// How the task that looks for them is stopped.
#[derive(Default)]
pub(super) struct RequestPoller(Arc<Notify>);

impl RequestPoller {
    /// Ends the task and what it has under way.
    pub(super) fn stop(&self) {
        self.0.notify_one();
    }
}

impl Drop for RequestPoller {
    fn drop(&mut self) {
        self.stop();
    }
}

impl<C: Send + Sync + 'static> CoordinatorInner<C> {
    /// Carries out what other processes ask for, as long as the coordinator is there.
    pub(super) fn look_for_requests(self: &Arc<Self>) {
        let (inner, stop) = (Arc::downgrade(self), self.looking.0.clone());
        let clock = self.env.clock.clone();
        self.tasks.spawn(async move {
            let mut tasks = JoinSet::new();
            {
                let (look, watch) = (pin!(Self::look(inner, &mut tasks)), pin!(clock.watch()));
                select(select(look, watch), pin!(stop.notified())).await;
            }
            tasks.shutdown().await;
        });
    }

    async fn look(inner: Weak<Self>, tasks: &mut JoinSet<()>) {
        // those under way: an answer may take as long as a pivot does
        let under_way = Arc::new(Mutex::new(HashSet::new()));
        loop {
            let Some(inner) = Weak::upgrade(&inner) else { return };
            while tasks.try_join_next().is_some() {}
            let requested = inner.env.store.requested();
            // a store that fails now is asked again
            // those under way wait there, too, and must not hide the others
            let limit = AT_ONCE + lock(&under_way).len();
            let waiting = inner.env.store.requests(&inner.env.worker, limit).await;
            let none = matches!(&waiting, Ok(waiting) if waiting.is_empty());
            for request in waiting.unwrap_or_default() {
                let new = lock(&under_way).insert(request.id);
                if new {
                    tasks.spawn(inner.clone().settle(request, under_way.clone()));
                }
            }
            drop(inner);
            match requested {
                Some(requested) if none => requested.await,
                // some may have to be tried again
                Some(requested) => drop(select(requested, pin!(real_pause(POLL_INTERVAL))).await),
                None => real_pause(POLL_INTERVAL).await,
            }
        }
    }

    /// One request. It is done with as soon as nothing that this process could do about it is left.
    async fn settle(self: Arc<Self>, request: Request, under_way: Arc<Mutex<HashSet<Uuid>>>) {
        let id = request.id;
        if self.carry_out(request).await {
            lock(&under_way).remove(&id);
        }
    }

    /// False if this process cannot carry it out, now or later.
    async fn carry_out(self: Arc<Self>, request: Request) -> bool {
        let (id, saga) = (request.id, request.saga.clone());
        match self.operate(request).await {
            // it is in the log, and answered by the entry that settles it
            Ok(Answer::Held) => false,
            // most answers are in the store already, beside the entries that they are about
            Ok(answer) => self.env.store.answer(id, answer).await.is_ok(),
            Err(error) if error.is_unreadable() => {
                let why = Refusal::Invalid { why: error.to_string() };
                self.env.store.answer(id, Answer::Refused(why)).await.is_ok()
            }
            Err(error) => {
                let (id, saga) = (&saga, self.name_of(&saga, &error).await);
                tracing::warn!(target: "saga_core", %id, saga, %error, "a request waits");
                if error.may_pass() {
                    real_pause(STORE).await;
                }
                !matches!(error, OperateError::UnknownVersion { .. })
            }
        }
    }

    /// The durable name of the saga that a request is for, as far as it can be known.
    async fn name_of(&self, saga: &SagaId, error: &OperateError) -> Option<String> {
        if let OperateError::UnknownVersion { name, .. } = error {
            return Some(name.clone());
        }
        let running = self.running().get(saga).map(|running| running.name.clone());
        if running.is_some() {
            return running;
        }
        Some(self.env.store.load(saga).await.ok()??.record.name)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
