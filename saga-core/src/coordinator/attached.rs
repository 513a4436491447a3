//! Operators in a process that does not run the sagas: requests go through the store.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};

use super::CoordinatorInner;
use super::facts::Reader;
use super::operator::Deliver;
use super::request_poller::POLL_INTERVAL;
use super::request_turns::RequestTurns;
use super::stored::{Stored, read};
use super::task_tracker::TaskTracker;
use crate::clock::real_pause;
use crate::error::OperateError;
use crate::log::{Answer, Request};
use crate::store::{Store, StoreError};

/// The sagas that another process runs on a store.
pub(super) struct AttachedStore {
    store: Arc<dyn Store>,
    patience: Duration,
    /// Requests for one saga are left one after the other.
    turns: RequestTurns,
}

impl AttachedStore {
    pub(super) fn new(store: Arc<dyn Store>, patience: Duration) -> Self {
        Self { store, patience, turns: RequestTurns::default() }
    }

    /// Leaves a request in the store, unless that takes too long.
    async fn leave_in_time(&self, request: &Request) -> Result<(), OperateError> {
        let after = self.patience.max(SHORTEST) + GRACE;
        let left = leave(&*self.store, request.clone());
        match select(pin!(left), pin!(sleep(&*self.store, after))).await {
            Either::Left((left, _)) => left,
            Either::Right(_) => {
                let saga = request.saga.clone();
                Err(OperateError::StoreSilent { saga, after })
            }
        }
    }

    /// The answer to a request that no worker can answer otherwise: to a saga that has ended, and that nobody has asked for
    /// anything else. It need not wait for a worker.
    async fn foregone(&self, request: &Request) -> Result<Option<Answer>, OperateError> {
        let store = &*self.store;
        let id = &request.saga;
        let Ok(positions) = store.positions(vec![id.clone()]).await else { return Ok(None) };
        let ended = positions.into_iter().flatten().any(|position| position.status.is_ended());
        if !ended || store.requests_of(id).await?.iter().any(|(_, answer)| answer.is_none()) {
            return Ok(None);
        }
        let Ok(reader) = Reader::new(store, None).await else { return Ok(None) };
        let Ok(prediction) = reader.predict(id, &request.by, request.command.clone()).await else {
            return Ok(None);
        };
        Ok(prediction.answer.filter(|answer| match answer {
            Answer::Refused(_) | Answer::NothingToDo { .. } | Answer::Duplicate => true,
            Answer::Done | Answer::Held => false,
        }))
    }
}

/// How long leaving a request may take at least, however little patience somebody has with its answer.
const SHORTEST: Duration = Duration::from_secs(1);

/// How much longer than the store itself, which then says what is wrong.
const GRACE: Duration = Duration::from_millis(500);

/// Leaves a request in the store.
pub(super) async fn leave(store: &dyn Store, request: Request) -> Result<(), OperateError> {
    match store.request(request).await {
        Err(StoreError::NotFound { saga }) => Err(OperateError::NotFound { saga }),
        left => Ok(left?),
    }
}

/// Waits for the answer to a request that was left.
pub(super) async fn answer_left_for(
    store: &dyn Store,
    request: &Request,
    patience: Duration,
) -> Result<Answer, OperateError> {
    let answer = async {
        loop {
            match store.answer_to(request.id).await {
                Ok(Some(answer)) => return Ok(answer),
                // the request is in the store, and is carried out once that works again
                Err(error) if !error.may_pass() => return Err(error.into()),
                Ok(None) | Err(_) => {}
            }
            sleep(store, POLL_INTERVAL / 4).await;
        }
    };
    match select(pin!(answer), pin!(sleep(store, patience))).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) if is_held(store, request).await => Ok(Answer::Held),
        Either::Right(_) => {
            let saga = request.saga.clone();
            Err(OperateError::Unanswered { saga, after: patience })
        }
    }
}

/// True if the request is in the log and waits for the end of the pivot: its answer is stored once that has ended.
async fn is_held(store: &dyn Store, request: &Request) -> bool {
    let Ok(saga) = read(store, &request.saga).await else { return false };
    let stored = Stored { saga, definition: None };
    matches!(stored.state_by_shape(), Ok(Some((state, _))) if state.is_held(request.id))
}

/// Sleeps by the clock of the process that answers.
async fn sleep(store: &dyn Store, time: Duration) {
    match store.requested() {
        // the store lives in this process
        Some(_) => tokio::time::sleep(time).await,
        None => real_pause(time).await,
    }
}

impl Deliver for AttachedStore {
    fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    fn home(&self) -> Option<&Arc<CoordinatorInner>> {
        None
    }

    fn deliver(&self, request: Request) -> BoxFuture<'_, Result<Answer, OperateError>> {
        Box::pin(async move {
            // sleeping needs a runtime with timers
            TaskTracker::here()?;
            {
                let place = self.turns.place(&request.saga);
                let _turn = place.turn().await;
                if let Some(answer) = self.foregone(&request).await? {
                    return Ok(answer);
                }
                self.leave_in_time(&request).await?;
            }
            answer_left_for(&*self.store, &request, self.patience).await
        })
    }
}
