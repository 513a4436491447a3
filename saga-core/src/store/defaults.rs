//! What a store does that has nothing better, with the methods that every store has.

use super::counts::Counting;
use super::{
    ListFilter, Position, ReadableSaga, Store, StoreError, StoredSaga, VersionCounts, WorkerId,
};
use crate::log::{SagaId, SagaStatus};

/// The name of a store's type, without its path and parameters.
pub(super) fn type_name<S: ?Sized>() -> &'static str {
    let path = std::any::type_name::<S>();
    let path = path.split('<').next().unwrap_or_default();
    path.rsplit("::").next().unwrap_or_default()
}

/// Loads all of it, or nothing.
pub(super) async fn load_readable(
    store: &(impl Store + ?Sized),
    id: SagaId,
) -> Result<ReadableSaga, StoreError> {
    match store.load(&id).await? {
        Some(saga) => Ok(ReadableSaga::whole(saga)),
        None => Err(StoreError::NotFound { saga: id }),
    }
}

/// Loads one after the other.
pub(super) async fn load_many(
    store: &(impl Store + ?Sized),
    ids: Vec<SagaId>,
) -> Vec<Result<Option<StoredSaga>, StoreError>> {
    let mut loaded = Vec::with_capacity(ids.len());
    for id in &ids {
        loaded.push(store.load(id).await);
    }
    loaded
}

/// Lists the unfinished sagas.
pub(super) async fn owned(
    store: &(impl Store + ?Sized),
    worker: WorkerId,
) -> Result<Vec<SagaId>, StoreError> {
    let statuses = vec![SagaStatus::Running, SagaStatus::Failed, SagaStatus::RollingBack];
    let (parked, suspended) = (Some(false), Some(false));
    let mut filter =
        ListFilter { statuses, parked, suspended, limit: 1000, ..ListFilter::default() };
    let mut owned = Vec::new();
    loop {
        let page = store.list(filter.clone()).await?;
        let ours = page.iter().filter(|record| record.owner.as_ref() == Some(&worker));
        owned.extend(ours.map(|record| record.id.clone()));
        filter.after = page.last().map(|record| record.id.clone());
        if page.len() < filter.limit {
            return Ok(owned);
        }
    }
}

/// Lists all sagas.
pub(super) async fn counts(
    store: &(impl Store + ?Sized),
) -> Result<Vec<VersionCounts>, StoreError> {
    let mut counting = Counting::default();
    let mut filter = ListFilter { limit: 1000, ..ListFilter::default() };
    loop {
        let page = store.list(filter.clone()).await?;
        page.iter().for_each(|record| counting.add(record));
        filter.after = page.last().map(|record| record.id.clone());
        if page.len() < filter.limit {
            return Ok(counting.counts());
        }
    }
}

/// Loads the sagas.
pub(super) async fn positions(
    store: &(impl Store + ?Sized),
    ids: Vec<SagaId>,
) -> Result<Vec<Option<Position>>, StoreError> {
    let loaded = store.load_many(ids).await.into_iter();
    loaded.map(|saga| Ok(saga?.map(|saga| Position::of(&saga.record)))).collect()
}
