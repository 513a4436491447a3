//! Loading sagas that were claimed, by pages, and alone if a page takes long.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};
use futures_util::stream::{FuturesOrdered, FuturesUnordered};
use futures_util::{FutureExt, StreamExt};

use super::super::CoordinatorInner;
use super::super::loads::{PAGE, PAGES_AT_ONCE};
use crate::clock::real_pause;
use crate::store::{SagaRecord, StoreError, StoredSaga};

/// How many pages are kept while others are claimed. More would take much memory before anything runs.
const KEPT: usize = 32;
/// How long the sagas of a page may take to load before each is loaded alone.
const PAGE_LIMIT: Duration = Duration::from_secs(1);

/// What was loaded of a saga.
pub(super) type LoadedSaga = Result<Option<StoredSaga>, StoreError>;

/// What was loaded of so many sagas that were claimed one after the other.
pub(super) struct LoadedPage {
    pub(super) count: usize,
    /// `None` if that took long, or panicked: one of these sagas must not stop the others.
    pub(super) loaded: Option<Vec<LoadedSaga>>,
}

/// The pages of the sagas that were claimed so far, in the order of the claims. They are loaded while it is awaited.
pub(in super::super) struct ClaimedPages {
    inner: Arc<CoordinatorInner>,
    waiting: VecDeque<Vec<Arc<SagaRecord>>>,
    loading: FuturesOrdered<BoxFuture<'static, LoadedPage>>,
    loaded: VecDeque<LoadedPage>,
}

impl ClaimedPages {
    pub(in super::super) fn new(inner: Arc<CoordinatorInner>) -> Self {
        let (waiting, loading, loaded) = Default::default();
        Self { inner, waiting, loading, loaded }
    }

    /// Adds sagas that were claimed after all others.
    pub(in super::super) fn add(&mut self, claimed: &[Arc<SagaRecord>]) {
        self.waiting.extend(claimed.chunks(PAGE).map(<[_]>::to_vec));
    }

    /// Loads pages until the next claim is done, and keeps them.
    pub(in super::super) async fn load_during<T>(&mut self, claim: impl Future<Output = T>) -> T {
        let mut claim = pin!(claim);
        loop {
            if self.loaded.len() + self.loading.len() < KEPT {
                self.begin();
            }
            match select(&mut claim, self.loading.next()).await {
                Either::Left((claimed, _)) => return claimed,
                Either::Right((Some(page), _)) => self.loaded.push_back(page),
                Either::Right((None, _)) => return claim.await,
            }
        }
    }

    /// The next page; `None` after the last.
    pub(super) async fn next(&mut self) -> Option<LoadedPage> {
        self.begin();
        match self.loaded.pop_front() {
            Some(page) => Some(page),
            None => self.loading.next().await,
        }
    }

    fn begin(&mut self) {
        while self.loading.len() < PAGES_AT_ONCE
            && let Some(page) = self.waiting.pop_front()
        {
            self.loading.push_back(load_page(self.inner.clone(), page).boxed());
        }
    }
}

async fn load_page(inner: Arc<CoordinatorInner>, page: Vec<Arc<SagaRecord>>) -> LoadedPage {
    let count = page.len();
    let _places = inner.places_to_load(count).await;
    let page = page.iter().map(|record| SagaRecord::clone(record)).collect();
    let load = AssertUnwindSafe(async { inner.env.store.load_claimed(page).await });
    let loaded = match select(pin!(load.catch_unwind()), pin!(real_pause(PAGE_LIMIT))).await {
        Either::Left((Ok(loaded), _)) if loaded.len() == count => Some(loaded),
        Either::Left(_) | Either::Right(_) => None,
    };
    LoadedPage { count, loaded }
}

/// The results of these futures, in any order, without those that remain once nothing has come for so long. All of them
/// together may take longer, since a slow disk is no reason to give up.
pub(super) async fn all_that_come<F: Future>(
    futures: impl IntoIterator<Item = F>,
    limit: Duration,
) -> Vec<F::Output> {
    let mut futures = futures.into_iter().collect::<FuturesUnordered<_>>();
    let mut results = Vec::new();
    while let Either::Left((Some(result), _)) =
        select(futures.next(), pin!(real_pause(limit))).await
    {
        results.push(result);
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_hangs_is_given_up_and_what_is_slow_is_not() {
        let after = |n: u64| async move {
            match n {
                3 => std::future::pending().await,
                n => tokio::time::sleep(Duration::from_millis(50 * n)).await,
            }
            n
        };
        // the last comes long after the limit
        let results = all_that_come((0..12).map(after), Duration::from_millis(300)).await;
        assert_eq!(results, [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11]);
    }
}
