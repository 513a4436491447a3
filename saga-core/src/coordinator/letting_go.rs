//! How a task lets its saga go that has not ended: the saga waits in the store, another process runs it, or it cannot be loaded.

use std::sync::atomic::Ordering;

use super::reload::while_listening;
use super::running::{AfterRun, SagaTask};
use crate::crash_points::crash_point;
use crate::driver::{Leaving, SagaProgress};
use crate::error::{SagaError, StartError};
use crate::store::StoreError;

impl SagaTask {
    /// Shows the handles of a saga that this process does not run how far it has come.
    pub(super) async fn look_in_store(&self) {
        let progress = self.saga.progress();
        let found = match self.inner.progress_in_store(self.id()).await {
            Ok((_, progress)) => progress,
            // it is followed, and so asked for again
            Err(StartError::Store(error)) if error.may_pass() && self.inner.is_one_of_many() => {
                SagaProgress::elsewhere(progress.status())
            }
            Err(error) => SagaProgress::over(progress.status(), Err(error.into())),
        };
        self.found_in_store(found);
    }

    /// Shows the handles what the store knows. If another process runs the saga, they see what it does there.
    fn found_in_store(&self, found: SagaProgress) {
        let is_over = found.result.is_some();
        if self.saga.progress().found_in_store(self.saga.run, found) && !is_over {
            self.goes_on_without_task();
        }
    }

    /// The saga goes on although this task ends, and its handles wait for that.
    fn goes_on_without_task(&self) {
        self.goes_on.store(true, Ordering::Relaxed);
        self.inner.follow(self.saga.progress());
    }

    /// The store keeps the saga until its time comes, or somebody asks something of it.
    pub(super) async fn leave_memory(&self, Leaving { suspension, dag }: Leaving) -> AfterRun {
        let wake_at = suspension.wake_at;
        self.inner.definitions.know(dag);
        crash_point("driver.suspend.asking");
        let mut requests = Vec::new();
        let suspended = self.inner.env.store.suspend(suspension);
        let suspended = while_listening(&self.saga.link, |new| requests.push(new), suspended).await;
        self.inner.env.store_health.note(&suspended);
        let id = self.id().clone();
        let error = match suspended {
            Ok(()) => {
                crash_point("driver.suspend.durable");
                self.goes_on_without_task();
                self.inner.waker.note(&self.inner, wake_at);
                // requests that came meanwhile are dropped, so whoever made them wakes the saga
                return AfterRun::Done;
            }
            Err(StoreError::Fenced { .. }) => SagaError::LostOwnership { saga: id },
            Err(source) => SagaError::Store { saga: id, source },
        };
        AfterRun::failed(error, requests)
    }

    /// Ends the task of a saga that cannot be loaded. Another process may have ended the saga by now.
    pub(super) async fn give_up(&self, error: SagaError) {
        if let SagaError::LostOwnership { .. } = error {
            if self.inner.is_one_of_many() {
                // or this process owns it under another epoch, because of a call whose reply was lost
                self.inner.strays.note();
                return self.found_in_store(SagaProgress::elsewhere(self.saga.progress().status()));
            }
            if let Ok((_, progress)) = self.inner.progress_in_store(self.id()).await
                && progress.status.is_ended()
            {
                self.found_in_store(progress);
            }
        }
        if let SagaError::Corrupt { .. } | SagaError::Parked { .. } = error {
            let (id, saga) = (self.id(), &*self.saga.name);
            tracing::warn!(target: "saga_core", %id, saga, why = %error, "it cannot be loaded");
            self.inner.note_unreadable(id, &error);
        }
        self.fail(error);
    }
}
