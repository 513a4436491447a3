//! Requests that other processes have left in the store: found there, and carried out here.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use super::CoordinatorInner;
use super::deliver::not_carried_out;
use super::stored::read;
use crate::ambient::HashSet;
use crate::clock::real_pause;
use crate::driver::{Control, PendingRequest};
use crate::error::{OperateError, SagaError};
use crate::log::{Answer, Refusal, Request, SagaId, Uuid};
use crate::store::StoreError;

/// How often the store is polled for requests of other processes, by the system's clock.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How long a request waits whose saga's store has failed.
const STORE_RETRY: Duration = Duration::from_secs(5);
/// How many new requests are taken at a time.
const AT_ONCE: usize = 64;
/// How many requests are passed on to sagas that were claimed, before those resume.
const PASSED_ON: usize = 10_000;

/// The task that polls for requests, from outside.
#[derive(Default)]
pub(super) struct RequestPoller {
    stop: Arc<Notify>,
    deliveries: Arc<Deliveries>,
}

impl RequestPoller {
    /// Ends the task and everything that it has in flight.
    pub(super) fn stop(&self) {
        self.stop.notify_one();
    }
}

impl Drop for RequestPoller {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The requests that are brought to their sagas, each once: one that is refused leaves nothing in the log, so a second
/// delivery could carry it out although the operator was told otherwise.
#[derive(Default)]
struct Deliveries {
    list: Mutex<DeliveryList>,
    /// Notified when requests were passed on.
    passed_on: Notify,
}

#[derive(Default)]
struct DeliveryList {
    in_flight: HashSet<Uuid>,
    /// Those of them with which this process is done, because they are answered or must be tried again. The store may still list
    /// them in a reply that is under way.
    over: Vec<Uuid>,
    /// How many replies are under way.
    reads: usize,
    /// Requests that sagas have been sent already, and their answers.
    passed_on: Vec<(Request, SagasAnswer)>,
}

/// What a saga answers to a request that it was sent.
type SagasAnswer = oneshot::Receiver<Result<Answer, SagaError>>;

/// While the store is asked for requests, and until its reply is dealt with.
struct Reading<'a>(&'a Deliveries);

impl Deliveries {
    fn list(&self) -> MutexGuard<'_, DeliveryList> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Reading<'_> {
        let mut list = self.list();
        if list.reads == 0 {
            for id in std::mem::take(&mut list.over) {
                list.in_flight.remove(&id);
            }
        }
        list.reads += 1;
        Reading(self)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.list().reads -= 1;
    }
}

impl CoordinatorInner {
    /// Carries out the requests of other processes, as long as the coordinator exists.
    pub(super) fn poll_requests(self: &Arc<Self>) {
        let (inner, stop) = (Arc::downgrade(self), self.request_poller.stop.clone());
        let deliveries = self.request_poller.deliveries.clone();
        let clock = self.env.clock.clone();
        self.tasks.spawn(async move {
            let mut tasks = JoinSet::new();
            {
                let poll = pin!(Self::poll(inner, &deliveries, &mut tasks));
                select(select(poll, pin!(clock.watch())), pin!(stop.notified())).await;
            }
            tasks.shutdown().await;
        });
    }

    async fn poll(inner: Weak<Self>, deliveries: &Arc<Deliveries>, tasks: &mut JoinSet<()>) {
        loop {
            let Some(inner) = Weak::upgrade(&inner) else { return };
            while tasks.try_join_next().is_some() {}
            // an answer may take as long as a pivot does
            let mut carry_out = |request, answered| {
                let carry_out = inner.clone().carry_out_once(request, answered, deliveries.clone());
                tasks.spawn(inner.tasks.gated(carry_out));
            };
            let requested = inner.env.store.requested();
            let reading = deliveries.read();
            // a store that fails is simply polled again. Requests in flight are still in the store, and must not
            // hide the others
            let limit = AT_ONCE + deliveries.list().in_flight.len();
            let waiting = inner.env.store.requests(&inner.env.worker, limit).await;
            let none = matches!(&waiting, Ok(waiting) if waiting.is_empty());
            for request in waiting.unwrap_or_default() {
                let new = deliveries.list().in_flight.insert(request.id);
                if new {
                    carry_out(request, None);
                }
            }
            drop(reading);
            let passed_on = std::mem::take(&mut deliveries.list().passed_on);
            passed_on.into_iter().for_each(|(request, answer)| carry_out(request, Some(answer)));
            drop(inner);
            let next = async {
                match requested {
                    Some(requested) if none => requested.await,
                    // some of them may have to be tried again
                    Some(requested) => {
                        drop(select(requested, pin!(real_pause(POLL_INTERVAL))).await);
                    }
                    None => real_pause(POLL_INTERVAL).await,
                }
            };
            select(pin!(next), pin!(deliveries.passed_on.notified())).await;
        }
    }

    /// Tells sagas that were claimed, and wait to be resumed, what was asked of them before: they must not run past it. The
    /// poller sees to their answers.
    pub(super) async fn pass_on_requests(&self, claimed: HashSet<SagaId>) {
        if claimed.is_empty() {
            return;
        }
        let deliveries = &self.request_poller.deliveries;
        let _reading = deliveries.read();
        let waiting = self.env.store.requests(&self.env.worker, PASSED_ON);
        // a store that does not answer delays neither the sagas nor a shutdown for long
        let Either::Left((Ok(waiting), _)) = select(waiting, pin!(real_pause(POLL_INTERVAL))).await
        else {
            return;
        };
        for request in waiting.into_iter().filter(|request| claimed.contains(&request.saga)) {
            let Some(running) = self.running().get(&request.saga).cloned() else { continue };
            let mut list = deliveries.list();
            if list.in_flight.insert(request.id) {
                let (pending, answer) = PendingRequest::new(request.clone());
                running.link.send(Control::Request(pending));
                list.passed_on.push((request, answer));
            }
        }
        deliveries.passed_on.notify_one();
    }

    /// Carries out one request, and forgets it once this process can do no more about it.
    async fn carry_out_once(
        self: Arc<Self>,
        request: Request,
        answered: Option<SagasAnswer>,
        deliveries: Arc<Deliveries>,
    ) {
        let id = request.id;
        if self.carry_out(request, answered).await {
            deliveries.list().over.push(id);
        }
    }

    /// False if this process has nothing more to do for this request, so that it must not be tried again.
    async fn carry_out(self: Arc<Self>, request: Request, answered: Option<SagasAnswer>) -> bool {
        let (id, saga) = (request.id, request.saga.clone());
        let answered = match answered {
            Some(answered) => answered.await.ok(),
            None => None,
        };
        let answer = match answered {
            Some(answer) => answer.map_err(not_carried_out),
            // it was listed before this process had the saga, and another worker has answered it since
            None if self.is_answered(id).await => return true,
            // it was not sent to the saga, or the saga did not come to read it
            None => self.deliver(request).await,
        };
        match answer {
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

    /// True if a worker of a shared store has answered the request.
    async fn is_answered(&self, id: Uuid) -> bool {
        self.is_one_of_many() && matches!(self.env.store.answer_to(id).await, Ok(Some(_)))
    }

    /// Stores an answer, if need be once the store works again. False if it never will.
    async fn answer(&self, id: Uuid, answer: Answer) -> bool {
        loop {
            match self.env.store.answer(&self.env.worker, id, answer.clone()).await {
                Ok(()) => return true,
                // another worker has the saga by now, and answers
                Err(StoreError::Fenced { .. }) => return true,
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
