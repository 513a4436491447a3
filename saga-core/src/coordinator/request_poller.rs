//! Requests that other processes have left in the store: found there, and carried out here.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::CoordinatorInner;
use super::stored::read;
use crate::clock::real_pause;
use crate::driver::{Control, PendingRequest};
use crate::error::OperateError;
use crate::log::{Answer, Refusal, Request, SagaId, Uuid};

/// How often the store is polled for requests of other processes, by the system's clock.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How long a request waits whose saga's store has failed.
const STORE_RETRY: Duration = Duration::from_secs(5);
/// How many new requests are taken at a time.
const AT_ONCE: usize = 64;
/// How many requests are passed on to sagas that were claimed, before those resume.
const PASSED_ON: usize = 10_000;

/// Stops the task that polls for requests.
#[derive(Default)]
pub(super) struct RequestPoller(Arc<Notify>);

impl RequestPoller {
    /// Ends the task and everything that it has in flight.
    pub(super) fn stop(&self) {
        self.0.notify_one();
    }
}

impl Drop for RequestPoller {
    fn drop(&mut self) {
        self.stop();
    }
}

impl CoordinatorInner {
    /// Carries out the requests of other processes, as long as the coordinator exists.
    pub(super) fn poll_requests(self: &Arc<Self>) {
        let (inner, stop) = (Arc::downgrade(self), self.request_poller.0.clone());
        let clock = self.env.clock.clone();
        self.tasks.spawn(async move {
            let mut tasks = JoinSet::new();
            {
                let (poll, watch) = (pin!(Self::poll(inner, &mut tasks)), pin!(clock.watch()));
                select(select(poll, watch), pin!(stop.notified())).await;
            }
            tasks.shutdown().await;
        });
    }

    async fn poll(inner: Weak<Self>, tasks: &mut JoinSet<()>) {
        // an answer may take as long as a pivot does
        let in_flight = Arc::new(Mutex::new(HashSet::new()));
        loop {
            let Some(inner) = Weak::upgrade(&inner) else { return };
            while tasks.try_join_next().is_some() {}
            let requested = inner.env.store.requested();
            // a store that fails is simply polled again. Requests in flight are still in the store, and must not
            // hide the others
            let limit = AT_ONCE + lock(&in_flight).len();
            let waiting = inner.env.store.requests(&inner.env.worker, limit).await;
            let none = matches!(&waiting, Ok(waiting) if waiting.is_empty());
            for request in waiting.unwrap_or_default() {
                let new = lock(&in_flight).insert(request.id);
                if new {
                    tasks.spawn(inner.clone().carry_out_once(request, in_flight.clone()));
                }
            }
            drop(inner);
            match requested {
                Some(requested) if none => requested.await,
                // some of them may have to be tried again
                Some(requested) => drop(select(requested, pin!(real_pause(POLL_INTERVAL))).await),
                None => real_pause(POLL_INTERVAL).await,
            }
        }
    }

    /// Tells sagas that were claimed, and wait to be resumed, what was asked of them before: they must not run past it. The
    /// poller brings these requests to them again, and sees to their answers.
    pub(super) async fn pass_on_requests(&self, claimed: HashSet<SagaId>) {
        if claimed.is_empty() {
            return;
        }
        let waiting = self.env.store.requests(&self.env.worker, PASSED_ON);
        // a store that does not answer delays neither the sagas nor a shutdown for long
        let Either::Left((Ok(waiting), _)) = select(waiting, pin!(real_pause(POLL_INTERVAL))).await
        else {
            return;
        };
        for request in waiting.into_iter().filter(|request| claimed.contains(&request.saga)) {
            let running = self.running().get(&request.saga).cloned();
            if let Some(running) = running {
                running.link.send(Control::Request(PendingRequest::new(request).0));
            }
        }
    }

    /// Carries out one request, and forgets it once this process can do no more about it.
    async fn carry_out_once(
        self: Arc<Self>,
        request: Request,
        in_flight: Arc<Mutex<HashSet<Uuid>>>,
    ) {
        let id = request.id;
        if self.carry_out(request).await {
            lock(&in_flight).remove(&id);
        }
    }

    /// False if this process has nothing more to do for this request, so that it must not be tried again.
    async fn carry_out(self: Arc<Self>, request: Request) -> bool {
        let (id, saga) = (request.id, request.saga.clone());
        match self.deliver(request).await {
            // it is in the log, and the entry that decides it carries the answer
            Ok(Answer::Held) => false,
            // most answers were stored together with the entries that they are about
            Ok(answer) => self.answer(id, answer).await,
            Err(error) if error.is_unreadable() => {
                let why = Refusal::Invalid { why: error.to_string() };
                self.answer(id, Answer::Refused(why)).await
            }
            // another worker of a shared store has taken the saga, and carries it out
            Err(error) if error.is_of_another_worker() => {
                real_pause(POLL_INTERVAL).await;
                true
            }
            Err(error) => {
                let (id, saga) = (&saga, self.name_of(&saga, &error).await);
                tracing::warn!(target: "saga_core", %id, saga = saga.as_deref(), %error, "a request waits");
                if error.may_pass() {
                    real_pause(STORE_RETRY).await;
                }
                !matches!(error, OperateError::UnknownVersion { .. })
            }
        }
    }

    /// Stores an answer, if need be once the store works again. False if it never will.
    async fn answer(&self, id: Uuid, answer: Answer) -> bool {
        loop {
            match self.env.store.answer(id, answer.clone()).await {
                Ok(()) => return true,
                Err(error) if error.may_pass() => real_pause(POLL_INTERVAL).await,
                Err(_) => return false,
            }
        }
    }

    /// The durable name of the saga that a request is for, if it can be found out.
    async fn name_of(&self, saga: &SagaId, error: &OperateError) -> Option<Arc<str>> {
        if let OperateError::UnknownVersion { name, .. } = error {
            return Some(name.as_str().into());
        }
        let running = self.running().get(saga).map(|running| running.name.clone());
        if running.is_some() {
            return running;
        }
        Some(read(&*self.env.store, saga).await.ok()?.record.name)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
