//! Checks of reads: sagas, lists and versions.

use super::*;

pub(super) async fn what_is_not_there_is_not_found(store: &impl Store) -> CheckResult {
    same!(store.load(&id("a")).await, Ok(None));
    same!(store.delete(&id("a")).await, Ok(false));
    same!(
        store.append(append("a", 2, vec![about(NodeEntry::Started)])).await,
        Err(StoreError::NotFound { saga: id("a") })
    );
    same!(store.list(ListFilter::default()).await, Ok(vec![]));
    same!(store.versions().await, Ok(vec![]));
    same!(store.claim(&worker("one"), &["f1".to_string()], 10).await, Ok(vec![]));
    same!(store.release(&worker("one")).await, Ok(()));
    Ok(())
}

pub(super) async fn list_filters_and_pages(store: &impl Store) -> CheckResult {
    use SagaStatus::{Aborting, Completed, Running, Stuck};
    let sagas = [
        ("e", "trip", Running),
        ("a", "trip", Completed),
        ("C", "order", Running),
        ("b", "order", Stuck),
        ("d", "trip", Aborting),
    ];
    for (name, saga_name, status) in sagas {
        let mut saga = new_saga(name);
        saga.record.name = saga_name.to_string();
        saga.record.status = status;
        put(store, saga).await?;
    }
    let list = async |statuses: &[SagaStatus], name: Option<&str>, after: &str, limit| {
        let filter = ListFilter {
            statuses: statuses.to_vec(),
            name: name.map(str::to_string),
            after: (!after.is_empty()).then(|| id(after)),
            limit,
            ..ListFilter::default()
        };
        let records = store.list(filter).await?;
        Ok::<_, Violation>(ids(&records).join(" "))
    };
    same!(list(&[], None, "", 0).await?, "C a b d e");
    same!(list(&[], None, "", 2).await?, "C a");
    same!(list(&[], None, "a", 2).await?, "b d");
    same!(list(&[], None, "d", 2).await?, "e");
    same!(list(&[], None, "e", 2).await?, "");
    same!(list(&[], None, "aa", 2).await?, "b d");
    same!(list(&[], Some("trip"), "", 0).await?, "a d e");
    same!(list(&[], Some("tri"), "", 0).await?, "");
    same!(list(&[Running], None, "", 0).await?, "C e");
    same!(list(&[Running, Stuck, Running], None, "", 0).await?, "C b e");
    same!(list(&[Running, Stuck], None, "C", 1).await?, "b");
    same!(list(&[Running, Aborting], Some("trip"), "", usize::MAX).await?, "d e");

    let expected = get(store, "a").await?.record;
    let filter = ListFilter { statuses: vec![Completed], ..ListFilter::default() };
    same!(store.list(filter).await, Ok(vec![expected]));

    let created = async |after: Option<u64>, before: Option<u64>| {
        let filter = ListFilter {
            created_after: after.map(Timestamp),
            created_before: before.map(Timestamp),
            ..ListFilter::default()
        };
        Ok::<_, Violation>(store.list(filter).await?.len())
    };
    same!(created(None, Some(1_000)).await?, 0);
    same!(created(Some(999), Some(1_001)).await?, 5);
    same!(created(Some(1_000), None).await?, 0);
    same!(created(Some(0), Some(u64::MAX)).await?, 5);

    let mut waits = new_saga("f");
    waits.record.parked_reason = Some(String::new());
    put(store, waits).await?;
    let parked = async |parked, statuses: &[SagaStatus]| {
        let statuses = statuses.to_vec();
        let filter = ListFilter { parked, statuses, ..ListFilter::default() };
        Ok::<_, Violation>(ids(&store.list(filter).await?).join(" "))
    };
    same!(parked(None, &[]).await?, "C a b d e f");
    same!(parked(Some(true), &[]).await?, "f");
    same!(parked(Some(false), &[]).await?, "C a b d e");
    same!(parked(Some(true), &[Running, Aborting]).await?, "f");
    same!(parked(Some(true), &[Aborting]).await?, "");
    same!(parked(Some(false), &[Running]).await?, "C e");

    for n in 0..110 {
        put(store, new_saga(&format!("page-{n:03}"))).await?;
    }
    same!(store.list(ListFilter::default()).await?.len(), 100);
    Ok(())
}

pub(super) async fn versions_count_the_unfinished(store: &impl Store) -> CheckResult {
    let sagas = [
        ("a", "trip", "f2", SagaStatus::Running),
        ("b", "trip", "f1", SagaStatus::Aborting),
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
        put(store, saga).await?;
    }
    let versions = store.versions().await?;
    let shown: Vec<_> = versions
        .iter()
        .map(|v| (v.name.as_str(), v.fingerprint.as_str(), v.dag.as_bytes(), v.unfinished))
        .collect();
    same!(
        shown,
        [("order", "f1", &b"c"[..], 1), ("trip", "f1", &b"b"[..], 1), ("trip", "f2", &b"a"[..], 2)]
    );
    Ok(())
}
