//! Reading sagas, lists and versions.

use super::super::*;

pub(crate) async fn what_is_not_there_is_not_found(store: &impl Store) {
    assert_eq!(store.load(&id("a")).await, Ok(None));
    assert_eq!(store.delete(&id("a")).await, Ok(false));
    assert_eq!(
        store.append(append("a", 2, vec![EntryKind::Started])).await,
        Err(StoreError::NotFound { saga: id("a") })
    );
    assert_eq!(store.list(ListFilter::default()).await, Ok(vec![]));
    assert_eq!(store.versions().await, Ok(vec![]));
    assert_eq!(store.claim(&worker("one"), &["f1".to_string()], 10).await, Ok(vec![]));
    assert_eq!(store.release(&worker("one")).await, Ok(()));
}

pub(crate) async fn list_filters_and_pages(store: &impl Store) {
    use SagaStatus::{Completed, Failed, Running, Stuck};
    let sagas = [
        ("e", "trip", Running),
        ("a", "trip", Completed),
        ("C", "order", Running),
        ("b", "order", Stuck),
        ("d", "trip", Failed),
    ];
    for (name, saga_name, status) in sagas {
        let mut saga = new_saga(name);
        saga.record.name = saga_name.to_string();
        saga.record.status = status;
        put(store, saga).await;
    }
    let list = async |statuses: &[SagaStatus], name: Option<&str>, after: &str, limit| {
        let filter = ListFilter {
            statuses: statuses.to_vec(),
            name: name.map(str::to_string),
            after: (!after.is_empty()).then(|| id(after)),
            limit,
            ..ListFilter::default()
        };
        let records = store.list(filter).await.unwrap();
        ids(&records).join(" ")
    };
    assert_eq!(list(&[], None, "", 0).await, "C a b d e");
    assert_eq!(list(&[], None, "", 2).await, "C a");
    assert_eq!(list(&[], None, "a", 2).await, "b d");
    assert_eq!(list(&[], None, "d", 2).await, "e");
    assert_eq!(list(&[], None, "e", 2).await, "");
    assert_eq!(list(&[], None, "aa", 2).await, "b d", "the id before the page may be gone");
    assert_eq!(list(&[], Some("trip"), "", 0).await, "a d e");
    assert_eq!(list(&[], Some("tri"), "", 0).await, "");
    assert_eq!(list(&[Running], None, "", 0).await, "C e");
    assert_eq!(list(&[Running, Stuck, Running], None, "", 0).await, "C b e");
    assert_eq!(list(&[Running, Stuck], None, "C", 1).await, "b");
    assert_eq!(list(&[Running, Failed], Some("trip"), "", usize::MAX).await, "d e");

    let expected = get(store, "a").await.record;
    let filter = ListFilter { statuses: vec![Completed], ..ListFilter::default() };
    assert_eq!(store.list(filter).await, Ok(vec![expected]));

    let created = async |after: Option<u64>, before: Option<u64>| {
        let filter = ListFilter {
            created_after: after.map(Timestamp),
            created_before: before.map(Timestamp),
            ..ListFilter::default()
        };
        store.list(filter).await.unwrap().len()
    };
    assert_eq!(created(None, Some(1_000)).await, 0);
    assert_eq!(created(Some(999), Some(1_001)).await, 5);
    assert_eq!(created(Some(1_000), None).await, 0);
    assert_eq!(created(Some(0), Some(u64::MAX)).await, 5);

    for n in 0..110 {
        put(store, new_saga(&format!("page-{n:03}"))).await;
    }
    assert_eq!(store.list(ListFilter::default()).await.unwrap().len(), 100);
}

pub(crate) async fn versions_count_the_unfinished(store: &impl Store) {
    let sagas = [
        ("a", "trip", "f2", SagaStatus::Running),
        ("b", "trip", "f1", SagaStatus::Failed),
        ("c", "order", "f1", SagaStatus::RollingBack),
        ("d", "trip", "f2", SagaStatus::Running),
        ("e", "trip", "f3", SagaStatus::Completed),
        ("f", "trip", "f2", SagaStatus::Stuck),
        ("g", "order", "f1", SagaStatus::RolledBack),
    ];
    for (name, saga_name, fingerprint, status) in sagas {
        let mut saga = new_saga(name);
        saga.record.name = saga_name.to_string();
        saga.record.fingerprint = fingerprint.to_string();
        saga.record.status = status;
        saga.record.paused = name == "d";
        saga.record.dag = Payload::from(name.as_bytes());
        put(store, saga).await;
    }
    let versions = store.versions().await.unwrap();
    let shown: Vec<_> = versions
        .iter()
        .map(|v| (v.name.as_str(), v.fingerprint.as_str(), v.dag.as_bytes(), v.unfinished))
        .collect();
    assert_eq!(
        shown,
        [("order", "f1", &b"c"[..], 1), ("trip", "f1", &b"b"[..], 1), ("trip", "f2", &b"a"[..], 2),]
    );
}

pub(crate) async fn clones_of_a_store_share_its_content(store: &(impl Store + Clone)) {
    let clone = store.clone();
    put(&clone, new_saga("a")).await;
    drop(clone);
    assert_eq!(get(store, "a").await.entries.len(), 1);
}
