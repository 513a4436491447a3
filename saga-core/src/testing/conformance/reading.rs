//! Loading sagas, lists, and versions.

use super::*;
use crate::log::ListedState;

pub(super) async fn an_empty_store_finds_nothing(store: &impl Store) -> CheckResult {
    expect_eq!(store.load(&id("a")).await, Ok(None));
    expect_eq!(store.delete(&id("a")).await, Ok(false));
    expect_eq!(
        store.append(append("a", 2, vec![about(NodeEntry::Started)])).await,
        Err(StoreError::NotFound { saga: id("a") })
    );
    expect_eq!(store.list(ListFilter::default()).await, Ok(vec![]));
    expect_eq!(store.versions().await, Ok(vec![]));
    expect_eq!(store.claim(&worker("one"), &["f1".to_string()], 10).await, Ok(vec![]));
    expect_eq!(store.release(&worker("one")).await, Ok(()));
    Ok(())
}

pub(super) async fn load_many_returns_what_load_returns_in_order(
    store: &impl Store,
) -> CheckResult {
    let names = ["b", "missing", "c", "a", "b"];
    for name in ["a", "b", "c"] {
        create(store, new_saga(name)).await?;
    }
    store.append(append("b", 2, vec![about(NodeEntry::Started)])).await?;
    let mut expected = Vec::new();
    for name in names {
        expected.push(store.load(&id(name)).await);
    }
    expect_eq!(store.load_many(names.map(id).to_vec()).await, expected);
    expect_eq!(store.load_many(Vec::new()).await, []);
    Ok(())
}

pub(super) async fn load_claimed_returns_what_load_returns_in_order(
    store: &impl Store,
) -> CheckResult {
    for name in ["a", "b", "c", "d"] {
        create(store, new_saga(name)).await?;
    }
    let f1 = ["f1".to_string()];
    store.renew(&worker("two")).await?;
    let claimed = store.claim(&worker("two"), &f1, 10).await?;
    let loads = |records: &[SagaRecord]| {
        let ids = records.iter().map(|record| record.id.clone()).collect();
        (store.load_claimed(records.to_vec()), store.load_many(ids))
    };
    let (one, other) = loads(&claimed);
    expect_eq!((claimed.len(), one.await), (4, other.await));
    // a new epoch, an append, a release and a removal since then
    store.take(&worker("two"), &id("a")).await?;
    let mut append = append("b", 2, vec![about(NodeEntry::Started)]);
    (append.owner, append.epoch) = (worker("two"), 2);
    store.append(append).await?;
    store.release(&worker("two")).await?;
    expect_eq!(store.delete(&id("c")).await, Ok(true));
    let (one, other) = loads(&claimed);
    let (one, other) = (one.await, other.await);
    expect_eq!(one, other);
    expect_eq!(one.get(2), Some(&Ok(None)));
    Ok(())
}

pub(super) async fn list_filters_and_pages(store: &impl Store) -> CheckResult {
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
        saga.record.name = saga_name.into();
        saga.record.status = status;
        create(store, saga).await?;
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
    expect_eq!(list(&[], None, "", 0).await?, "C a b d e");
    expect_eq!(list(&[], None, "", 2).await?, "C a");
    expect_eq!(list(&[], None, "a", 2).await?, "b d");
    expect_eq!(list(&[], None, "d", 2).await?, "e");
    expect_eq!(list(&[], None, "e", 2).await?, "");
    expect_eq!(list(&[], None, "aa", 2).await?, "b d");
    expect_eq!(list(&[], Some("trip"), "", 0).await?, "a d e");
    expect_eq!(list(&[], Some("tri"), "", 0).await?, "");
    expect_eq!(list(&[Running], None, "", 0).await?, "C e");
    expect_eq!(list(&[Running, Stuck, Running], None, "", 0).await?, "C b e");
    expect_eq!(list(&[Running, Stuck], None, "C", 1).await?, "b");
    expect_eq!(list(&[Running, Failed], Some("trip"), "", usize::MAX).await?, "d e");

    let expected = load(store, "a").await?.record;
    let filter = ListFilter { statuses: vec![Completed], ..ListFilter::default() };
    expect_eq!(store.list(filter).await, Ok(vec![expected]));

    let created = async |after: Option<u64>, before: Option<u64>| {
        let filter = ListFilter {
            created_after: after.map(Timestamp),
            created_before: before.map(Timestamp),
            ..ListFilter::default()
        };
        Ok::<_, Violation>(store.list(filter).await?.len())
    };
    expect_eq!(created(None, Some(1_000)).await?, 0);
    expect_eq!(created(Some(999), Some(1_001)).await?, 5);
    expect_eq!(created(Some(1_000), None).await?, 0);
    expect_eq!(created(Some(0), Some(u64::MAX)).await?, 5);

    let mut waits = new_saga("f");
    waits.record.parked_reason = Some(String::new());
    create(store, waits).await?;
    let parked = async |parked, statuses: &[SagaStatus]| {
        let statuses = statuses.to_vec();
        let filter = ListFilter { parked, statuses, ..ListFilter::default() };
        Ok::<_, Violation>(ids(&store.list(filter).await?).join(" "))
    };
    expect_eq!(parked(None, &[]).await?, "C a b d e f");
    expect_eq!(parked(Some(true), &[]).await?, "f");
    expect_eq!(parked(Some(false), &[]).await?, "C a b d e");
    expect_eq!(parked(Some(true), &[Running, Failed]).await?, "f");
    expect_eq!(parked(Some(true), &[Failed]).await?, "");
    expect_eq!(parked(Some(false), &[Running]).await?, "C e");

    for (name, paused, fingerprint, updated_at) in
        [("g:1", false, "h1", 2_000), ("g:2", true, "h1", 3_000), ("g.1", true, "h2", 2_000)]
    {
        let mut saga = new_saga(name);
        saga.record.paused = paused;
        saga.record.fingerprint = fingerprint.into();
        saga.record.updated_at = Timestamp(updated_at);
        create(store, saga).await?;
    }
    let with = async |prefix: &str, filter: ListFilter| {
        let filter = ListFilter { id_prefix: Some(prefix.to_string()), ..filter };
        Ok::<_, Violation>(ids(&store.list(filter).await?).join(" "))
    };
    let all = ListFilter::default();
    expect_eq!(with("", all.clone()).await?, "C a b d e f g.1 g:1 g:2");
    expect_eq!(with("g", all.clone()).await?, "g.1 g:1 g:2");
    expect_eq!(with("g:", all.clone()).await?, "g:1 g:2");
    expect_eq!(with("g:2", all.clone()).await?, "g:2");
    expect_eq!(with("g:3", all.clone()).await?, "");
    expect_eq!(with("g\u{0}%", all.clone()).await?, "");
    expect_eq!(with("g", ListFilter { after: Some(id("g.1")), ..all.clone() }).await?, "g:1 g:2");
    expect_eq!(
        with("g", ListFilter { after: Some(id("a")), limit: 1, ..all.clone() }).await?,
        "g.1"
    );
    expect_eq!(with("g", ListFilter { paused: Some(true), ..all.clone() }).await?, "g.1 g:2");
    expect_eq!(with("g", ListFilter { paused: Some(false), ..all.clone() }).await?, "g:1");
    let h1 = ListFilter { fingerprint: Some("h1".to_string()), ..all.clone() };
    expect_eq!(with("", h1).await?, "g:1 g:2");
    let updated_before = Some(Timestamp(3_000));
    expect_eq!(with("g", ListFilter { updated_before, ..all }).await?, "g.1 g:1");

    for n in 0..110 {
        create(store, new_saga(&format!("page-{n:03}"))).await?;
    }
    expect_eq!(store.list(ListFilter::default()).await?.len(), 100);
    Ok(())
}

pub(super) async fn versions_count_the_unfinished_sagas(store: &impl Store) -> CheckResult {
    let sagas = [
        ("a", "trip", "f2", SagaStatus::Running),
        ("b", "trip", "f1", SagaStatus::Failed),
        ("c", "order", "f1", SagaStatus::RollingBack),
        ("d", "trip", "f2", SagaStatus::Running),
        ("e", "trip", "f3", SagaStatus::Completed),
        ("f", "trip", "f2", SagaStatus::Stuck),
        ("g", "order", "f1", SagaStatus::RolledBack),
    ];
    for ((name, saga_name, fingerprint, status), number) in sagas.into_iter().zip(0..) {
        let mut saga = new_saga(name);
        saga.record.name = saga_name.into();
        saga.record.fingerprint = fingerprint.into();
        saga.record.status = status;
        saga.record.paused = name == "d";
        // the last one is the oldest
        saga.record.created_at = Timestamp(1_000 - number);
        saga.record.dag = Payload::from(format!("{saga_name} {fingerprint}").into_bytes());
        create(store, saga).await?;
    }
    let versions = store.versions().await?;
    let shown: Vec<_> = versions
        .iter()
        .map(|v| {
            (v.name.as_str(), v.fingerprint.as_str(), v.dag.as_bytes(), v.unfinished, v.oldest.0)
        })
        .collect();
    expect_eq!(
        shown,
        [
            ("order", "f1", &b"order f1"[..], 1, 998),
            ("trip", "f1", &b"trip f1"[..], 1, 999),
            ("trip", "f2", &b"trip f2"[..], 2, 997)
        ]
    );
    Ok(())
}

pub(super) async fn counts_tell_every_state_of_every_definition(store: &impl Store) -> CheckResult {
    use ListedState::{Parked, Paused, RolledBack, Running, Stuck};
    let sagas = [
        ("a", "f1", SagaStatus::Running, false, false),
        ("b", "f1", SagaStatus::Running, false, false),
        ("c", "f1", SagaStatus::RollingBack, true, false),
        ("d", "f1", SagaStatus::Running, true, true),
        ("e", "f2", SagaStatus::Running, false, true),
        ("f", "f2", SagaStatus::Stuck, false, false),
        ("g", "f2", SagaStatus::RolledBack, false, false),
    ];
    for ((name, fingerprint, status, parked, paused), number) in sagas.into_iter().zip(0..) {
        let mut saga = new_saga(name);
        saga.record.name = "trip".into();
        saga.record.fingerprint = fingerprint.into();
        saga.record.dag = Payload::from(format!("trip {fingerprint}").into_bytes());
        saga.record.status = status;
        saga.record.parked_reason = parked.then(|| "why".to_string());
        saga.record.paused = paused;
        saga.record.created_at = Timestamp(1_000 - number);
        create(store, saga).await?;
    }
    let counts = store.counts().await?;
    let shown: Vec<_> =
        counts.iter().map(|of| (&*of.name, &*of.fingerprint, of.dag.as_bytes())).collect();
    expect_eq!(shown, [("trip", "f1", &b"trip f1"[..]), ("trip", "f2", &b"trip f2"[..])]);
    let states = counts.iter().flat_map(|of| &of.states);
    let states: Vec<_> = states.map(|of| (of.state, of.sagas, of.oldest.0)).collect();
    expect_eq!(
        states,
        [
            (Parked, 2, 997),
            (Running, 2, 999),
            (Stuck, 1, 995),
            (Paused, 1, 996),
            (RolledBack, 1, 994)
        ]
    );
    Ok(())
}
