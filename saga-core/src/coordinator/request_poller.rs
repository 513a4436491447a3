//! Requests that other processes have left in the store: found there, and carried out here.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::CoordinatorInner;
use super::deliver::{Brought, not_carried_out};
use super::request_lanes::{InLane, Lanes, Turn};
use super::stored::read;
use crate::ambient::{HashMap, HashSet};
use crate::clock::real_pause;
use crate::driver::{Control, Heard, PendingAnswer, PendingRequest};
use crate::error::OperateError;
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
    lanes: Lanes,
    /// Notified when requests were passed on to sagas that were claimed.
    passed_on: Arc<Notify>,
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

/// What is done next for a lane.
enum Next {
    /// The request leaves the lane.
    Leaves(Turn),
    /// The lane rests for this long. Unless the saga is claimed meanwhile, it is given up then.
    Rests(Duration),
}

impl CoordinatorInner {
    /// Carries out the requests of other processes, as long as the coordinator exists.
    pub(super) fn poll_requests(self: &Arc<Self>) {
        let (inner, stop) = (Arc::downgrade(self), self.request_poller.stop.clone());
        let passed_on = self.request_poller.passed_on.clone();
        let clock = self.env.clock.clone();
        self.tasks.spawn(async move {
            let mut tasks = JoinSet::new();
            {
                let poll = pin!(Self::poll(inner, &passed_on, &mut tasks));
                select(select(poll, pin!(clock.watch())), pin!(stop.notified())).await;
            }
            tasks.shutdown().await;
        });
    }

    async fn poll(inner: Weak<Self>, passed_on: &Notify, tasks: &mut JoinSet<()>) {
        loop {
            let Some(inner) = Weak::upgrade(&inner) else { return };
            while tasks.try_join_next().is_some() {}
            let lanes = &inner.request_poller.lanes;
            let requested = inner.env.store.requested();
            let reading = lanes.read();
            // a store that fails is simply polled again. Requests in flight are still in the store, and must not
            // hide the others
            let limit = AT_ONCE + lanes.known();
            let waiting = inner.env.store.requests(&inner.env.worker, limit).await;
            let none = matches!(&waiting, Ok(waiting) if waiting.is_empty());
            reading.take(waiting.unwrap_or_default());
            drop(reading);
            for saga in lanes.take_new() {
                tasks.spawn(inner.tasks.gated(inner.clone().work_off(saga)));
            }
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
            select(pin!(next), pin!(passed_on.notified())).await;
        }
    }

    /// Tells sagas that were claimed, and wait to be resumed, what was asked of them before: they must not run past it. The
    /// poller sees to their answers.
    pub(super) async fn pass_on_requests(&self, claimed: HashSet<SagaId>) {
        if claimed.is_empty() {
            return;
        }
        let reading = self.request_poller.lanes.read();
        let waiting = self.env.store.requests(&self.env.worker, PASSED_ON);
        // a store that does not answer delays neither the sagas nor a shutdown for long
        let Either::Left((Ok(waiting), _)) = select(waiting, pin!(real_pause(POLL_INTERVAL))).await
        else {
            return;
        };
        let mut of_sagas = HashMap::<SagaId, Vec<Request>>::default();
        for request in waiting.into_iter().filter(|request| claimed.contains(&request.saga)) {
            of_sagas.entry(request.saga.clone()).or_default().push(request);
        }
        for (saga, listed) in of_sagas {
            let Some(running) = self.running().get(&saga).cloned() else { continue };
            reading.pass_on(&saga, listed, |request| {
                let (pending, answer) = PendingRequest::new(request);
                running.link.send(Control::Request(pending));
                answer
            });
        }
        self.request_poller.passed_on.notify_one();
    }

    /// Carries out the requests in the lane of a saga, until none is left or this process must give them up.
    async fn work_off(self: Arc<Self>, saga: SagaId) {
        let lanes = &self.request_poller.lanes;
        let mut held = Vec::new();
        while let Some(InLane { request, sent }) = lanes.front(&saga) {
            let next = match self.bring_from_lane(&request, sent).await {
                Ok(Brought::Answered(answer)) => self.after(&request, Ok(answer)).await,
                Ok(brought @ Brought::Held(..)) => {
                    held.push(self.see_to_held(request.clone(), brought));
                    Next::Leaves(Turn::Done)
                }
                Err(error) => self.after(&request, Err(error)).await,
            };
            match next {
                Next::Leaves(turn) => lanes.leave(&saga, request.id, turn),
                Next::Rests(pause) => {
                    let claimed = lanes.rest(&saga);
                    select(pin!(real_pause(pause)), pin!(claimed.notified())).await;
                    if lanes.give_up(&saga) {
                        break;
                    }
                }
            }
        }
        // their answers may take as long as a pivot does
        join_all(held).await;
    }

    /// Brings the request that has its turn to its saga, until it is answered or in the log.
    async fn bring_from_lane(
        self: &Arc<Self>,
        request: &Request,
        sent: Option<PendingAnswer>,
    ) -> Result<Brought, OperateError> {
        let heard = match sent {
            Some(sent) => sent.heard().await,
            None => None,
        };
        match heard {
            Some(Heard::Answered(answer)) => answer.map(Brought::Answered).map_err(not_carried_out),
            Some(Heard::Held(answer)) => Ok(Brought::Held(answer, None)),
            // it was not sent to the saga, or the saga did not come to read it. Another worker may have answered what was listed
            // before this process had the saga
            None => match self.answer_elsewhere(request.id).await {
                Some(answer) => Ok(Brought::Answered(answer)),
                None => self.bring(request).await,
            },
        }
    }

    /// Waits for the answer to a request that is in the log. The entry that decides it carries the answer.
    async fn see_to_held(self: &Arc<Self>, request: Request, brought: Brought) {
        let answer = self.answer_to_brought(request.clone(), brought).await;
        let turn = match self.after(&request, answer).await {
            Next::Leaves(turn) => turn,
            Next::Rests(_) => Turn::Again,
        };
        self.request_poller.lanes.settle(request.id, turn);
    }

    /// What is to be done after a request had its turn.
    async fn after(&self, request: &Request, answer: Result<Answer, OperateError>) -> Next {
        let (id, saga) = (request.id, &request.saga);
        match answer {
            // it is in the log, and the entry that decides it carries the answer
            Ok(Answer::Held) => Next::Leaves(Turn::Done),
            // most answers were stored together with the entries that they are about
            Ok(answer) => self.answer(id, answer).await,
            Err(error) if error.is_unreadable() => {
                let why = Refusal::Invalid { why: error.to_string() };
                self.answer(id, Answer::Refused(why)).await
            }
            // another worker of a shared store has taken the saga, and carries it out
            Err(error) if error.is_of_another_worker() => Next::Rests(POLL_INTERVAL),
            // whoever runs the saga next carries it out
            Err(OperateError::ShutDown) => Next::Rests(POLL_INTERVAL),
            Err(error) => {
                let (id, saga) = (saga, self.name_of(saga, &error).await);
                tracing::warn!(target: "saga_core", %id, saga = saga.as_deref(), %error, "a request waits");
                if let OperateError::UnknownVersion { .. } = error {
                    return Next::Leaves(Turn::Done);
                }
                // if it does not pass by itself, what was asked later may be what the saga needs
                match error.may_pass() {
                    true => Next::Rests(STORE_RETRY),
                    false => Next::Leaves(Turn::Again),
                }
            }
        }
    }

    /// The answer of another worker of a shared store, if one has answered the request.
    async fn answer_elsewhere(&self, id: Uuid) -> Option<Answer> {
        match self.is_one_of_many() {
            true => self.env.store.answer_to(id).await.ok().flatten(),
            false => None,
        }
    }

    /// Stores an answer, if need be once the store works again.
    async fn answer(&self, id: Uuid, answer: Answer) -> Next {
        loop {
            match self.env.store.answer(&self.env.worker, id, answer.clone()).await {
                Ok(()) => return Next::Leaves(Turn::Answered),
                // another worker has the saga by now, and answers
                Err(StoreError::Fenced { .. }) => return Next::Rests(POLL_INTERVAL),
                Err(error) if error.may_pass() => real_pause(POLL_INTERVAL).await,
                // the store never takes it
                Err(_) => return Next::Leaves(Turn::Done),
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
