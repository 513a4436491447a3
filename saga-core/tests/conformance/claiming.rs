//! Who owns a saga: claiming, releasing, deleting.

use super::super::*;

pub(crate) async fn claim_takes_over_unfinished_sagas_with_a_new_epoch(store: &impl Store) {
    put(store, new_saga("a")).await;
    let f1 = ["f1".to_string()];
    assert_eq!(store.claim(&worker("one"), &f1, 10).await, Ok(vec![]), "its own already");

    let claimed = store.claim(&worker("two"), &f1, 10).await.unwrap();
    let mut expected = new_saga("a").record;
    expected.birth = claimed[0].birth;
    expected.owner = Some(worker("two"));
    expected.epoch = 2;
    expected.attempts = 2;
    assert_eq!(claimed, [expected.clone()]);
    assert_eq!(get(store, "a").await.record, expected);

    let good = append("a", 2, vec![EntryKind::Started]);
    assert_eq!(store.append(good.clone()).await, fenced("a"), "the zombie's write");
    let good = Append { owner: worker("two"), epoch: 2, ..good };
    assert_eq!(store.append(good).await, Ok(()));

    let third = store.claim(&worker("three"), &f1, 10).await.unwrap();
    assert_eq!((third[0].epoch, third[0].attempts, third[0].next_seq), (3, 3, 3));
}

pub(crate) async fn claim_leaves_ended_paused_parked_and_unknown_sagas(store: &impl Store) {
    let mut sagas: Vec<NewSaga> = [
        "completed",
        "failed",
        "parked",
        "paused",
        "rolled_back",
        "rolling_back",
        "stuck",
        "unknown",
    ]
    .map(new_saga)
    .into();
    sagas[0].record.status = SagaStatus::Completed;
    sagas[1].record.status = SagaStatus::Failed;
    sagas[2].record.parked_reason = Some(String::new());
    sagas[3].record.paused = true;
    sagas[4].record.status = SagaStatus::RolledBack;
    sagas[5].record.status = SagaStatus::RollingBack;
    sagas[6].record.status = SagaStatus::Stuck;
    sagas[7].record.fingerprint = "F1".to_string();
    for saga in sagas {
        put(store, saga).await;
    }
    assert_eq!(store.claim(&worker("two"), &[], 10).await, Ok(vec![]));
    let known = ["f0".to_string(), "f1".to_string(), "\"]".to_string()];
    let claimed = store.claim(&worker("two"), &known, 10).await.unwrap();
    assert_eq!(ids(&claimed), ["failed", "rolling_back"]);
    for left in ["completed", "parked", "paused", "rolled_back", "stuck", "unknown"] {
        let record = get(store, left).await.record;
        assert_eq!((record.owner, record.epoch, record.attempts), (Some(worker("one")), 1, 1));
    }
}

pub(crate) async fn claim_takes_the_oldest_first_up_to_its_limit(store: &impl Store) {
    for (name, created_at) in [("a", 30), ("b", 10), ("c", 20), ("d", 10), ("e", 5)] {
        let mut saga = new_saga(name);
        saga.record.created_at = Timestamp(created_at);
        put(store, saga).await;
    }
    let f1 = ["f1".to_string()];
    assert_eq!(store.claim(&worker("two"), &f1, 0).await, Ok(vec![]));
    assert_eq!(ids(&store.claim(&worker("two"), &f1, 3).await.unwrap()), ["e", "b", "d"]);
    assert_eq!(ids(&store.claim(&worker("two"), &f1, 3).await.unwrap()), ["c", "a"]);
    assert_eq!(store.claim(&worker("two"), &f1, 3).await, Ok(vec![]));
}

pub(crate) async fn claim_takes_a_list_of_thousands_of_fingerprints(store: &impl Store) {
    let mut saga = new_saga("a");
    saga.record.fingerprint = "f39999".to_string();
    put(store, saga).await;
    let many: Vec<String> = (0..40_000).map(|n| format!("f{n}")).collect();
    assert_eq!(store.claim(&worker("two"), &many, usize::MAX).await.unwrap().len(), 1);
}

pub(crate) async fn a_released_saga_counts_no_crash_and_can_be_claimed(store: &impl Store) {
    put(store, new_saga("a")).await;
    let mut other = new_saga("b");
    other.record.owner = Some(worker("other"));
    put(store, other).await;
    store.release(&worker("one")).await.unwrap();
    let record = get(store, "a").await.record;
    assert_eq!((record.owner, record.epoch, record.attempts), (None, 1, 0));
    let record = get(store, "b").await.record;
    assert_eq!((record.owner, record.epoch, record.attempts), (Some(worker("other")), 1, 1));

    let again = store.claim(&worker("one"), &["f1".to_string()], 1).await.unwrap();
    assert_eq!((ids(&again), again[0].epoch, again[0].attempts), (vec!["a"], 2, 1));
}

pub(crate) async fn progress_ends_a_series_of_crashes(store: &impl Store) {
    let mut saga = new_saga("a");
    saga.record.attempts = 3;
    put(store, saga).await;
    store.append(append("a", 2, vec![EntryKind::Started])).await.unwrap();
    assert_eq!(get(store, "a").await.record.attempts, 3);
    let mut outcome = append("a", 3, vec![EntryKind::Succeeded(Payload::default())]);
    outcome.change.progress = true;
    store.append(outcome).await.unwrap();
    assert_eq!(get(store, "a").await.record.attempts, 1);
}

pub(crate) async fn delete_removes_what_nobody_runs(store: &impl Store) {
    put(store, new_saga("running")).await;
    put(store, new_saga("other")).await;
    let mut ended = new_saga("ended");
    ended.record.status = SagaStatus::Completed;
    put(store, ended).await;

    assert_eq!(store.delete(&id("ended")).await, Ok(true));
    assert_eq!(store.delete(&id("ended")).await, Ok(false));
    let e = store.delete(&id("running")).await.unwrap_err();
    assert_eq!(e, StoreError::Fenced { saga: id("running") });
    assert_eq!(get(store, "running").await.entries.len(), 1);

    store.release(&worker("one")).await.unwrap();
    assert_eq!(store.delete(&id("running")).await, Ok(true));
    assert_eq!(store.load(&id("running")).await, Ok(None));
    assert_eq!(get(store, "other").await.entries.len(), 1);

    let again = new_saga("running");
    put(store, again.clone()).await;
    assert_eq!(get(store, "running").await.entries, again.entries);
}
