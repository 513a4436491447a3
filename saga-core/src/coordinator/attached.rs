//! Operators in a process that does not run the sagas: requests go through the store.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};

use super::CoordinatorInner;
use super::operator::Deliver;
use super::request_poller::POLL_INTERVAL;
use super::task_tracker::TaskTracker;
use crate::clock::real_pause;
use crate::error::OperateError;
use crate::log::{Answer, Request};
use crate::store::{Store, StoreError};

/// The sagas that another process runs on a store.
pub(super) struct AttachedStore {
    pub(super) store: Arc<dyn Store>,
    pub(super) patience: Duration,
}

impl AttachedStore {
    /// Sleeps by the clock of the process that answers.
    async fn sleep(&self, time: Duration) {
        match self.store.requested() {
            // the store lives in this process
            Some(_) => tokio::time::sleep(time).await,
            None => real_pause(time).await,
        }
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
            let (id, saga) = (request.id, request.saga.clone());
            match self.store.request(request).await {
                Err(StoreError::NotFound { saga }) => return Err(OperateError::NotFound { saga }),
                other => other?,
            }
            let answer = async {
                loop {
                    match self.store.answer_to(id).await {
                        Ok(Some(answer)) => return Ok(answer),
                        // the request is in the store, and is carried out once that works again
                        Err(error) if !error.may_pass() => return Err(error.into()),
                        Ok(None) | Err(_) => {}
                    }
                    self.sleep(POLL_INTERVAL / 4).await;
                }
            };
            match select(pin!(answer), pin!(self.sleep(self.patience))).await {
                Either::Left((answer, _)) => answer,
                Either::Right(_) => Err(OperateError::Unanswered { saga, after: self.patience }),
            }
        })
    }
}
