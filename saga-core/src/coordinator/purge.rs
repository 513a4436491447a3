//! Removing sagas that ended long ago, a number of them at a time.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::CoordinatorInner;
use crate::log::{SagaStatus, Timestamp};
use crate::store::{Purge, StoreError};

/// How many sagas a purge removes at a time, so that it delays no other write for long.
const PURGE: usize = 500;

impl CoordinatorInner {
    /// The future is boxed here, so that its code is part of this crate, and not of each program.
    pub(super) fn purge<'a>(
        &'a self,
        older_than: Duration,
        statuses: &'a [SagaStatus],
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        let age = u64::try_from(older_than.as_millis()).unwrap_or(u64::MAX);
        let ended_before = Timestamp(self.env.clock.now().0.saturating_sub(age));
        let purge = Purge { ended_before, statuses: statuses.to_vec(), limit: PURGE };
        Box::pin(async move {
            let mut removed = 0;
            loop {
                let batch = self.env.store.purge(purge.clone());
                let batch = self.tasks.at_home(batch).await?;
                removed += batch;
                if batch < PURGE as u64 {
                    return Ok(removed);
                }
            }
        })
    }
}
