//! Ownership of sagas: claiming, releasing, and deleting.

use super::*;

pub(super) async fn claim_takes_over_unfinished_sagas_with_a_new_epoch(
    store: &impl Store,
) -> CheckResult {
    create(store, new_saga("a")).await?;
    let f1 = ["f1".to_string()];
    // The worker already owns it.
    expect_eq!(store.claim(&worker("one"), &f1, 10).await, Ok(vec![]));

    let claimed = store.claim(&worker("two"), &f1, 10).await?;
    let mut expected = new_saga("a").record;
    expected.run_key = load(store, "a").await?.record.run_key;
    expected.owner = Some(worker("two"));
    expected.epoch = 2;
    expected.attempts = 2;
    expect_eq!(claimed, vec![expected.clone()]);
    expect_eq!(load(store, "a").await?.record, expected);

    let good = append("a", 2, vec![about(NodeEntry::Started)]);
    // The previous owner may not know yet that it has lost the saga.
    expect_eq!(store.append(good.clone()).await, fenced("a"));
    let good = Append { owner: worker("two"), epoch: 2, ..good };
    expect_eq!(store.append(good).await, Ok(()));

    let third = store.claim(&worker("three"), &f1, 10).await?;
    let counts: Vec<_> = third.iter().map(|r| (r.epoch, r.attempts, r.next_seq)).collect();
    expect_eq!(counts, [(3, 3, 3)]);
    Ok(())
}

pub(super) async fn claim_skips_ended_parked_and_unknown_sagas(store: &impl Store) -> CheckResult {
    let change = |name, how: fn(&mut SagaRecord)| {
        let mut saga = new_saga(name);
        how(&mut saga.record);
        saga
    };
    for saga in [
        change("completed", |record| record.status = SagaStatus::Completed),
        change("failed", |record| record.status = SagaStatus::Aborting),
        change("parked", |record| record.parked_reason = Some(String::new())),
        change("paused", |record| record.paused = true),
        change("rolled_back", |record| record.status = SagaStatus::RolledBack),
        change("rolling_back", |record| record.status = SagaStatus::RollingBack),
        change("stuck", |record| record.status = SagaStatus::Stuck),
        change("unknown", |record| record.fingerprint = "F1".into()),
    ] {
        create(store, saga).await?;
    }
    expect_eq!(store.claim(&worker("two"), &[], 10).await, Ok(vec![]));
    let known = ["f0".to_string(), "f1".to_string(), "\"]".to_string()];
    let claimed = store.claim(&worker("two"), &known, 10).await?;
    expect_eq!(ids(&claimed), ["failed", "paused", "rolling_back"]);
    for left in ["completed", "parked", "rolled_back", "stuck", "unknown"] {
        let record = load(store, left).await?.record;
        expect_eq!((record.owner, record.epoch, record.attempts), (Some(worker("one")), 1, 1));
    }
    Ok(())
}

pub(super) async fn claim_takes_the_oldest_first_up_to_its_limit(
    store: &impl Store,
) -> CheckResult {
    for (name, created_at) in [("a", 30), ("b", 10), ("c", 20), ("d", 10), ("e", 5)] {
        let mut saga = new_saga(name);
        saga.record.created_at = Timestamp(created_at);
        create(store, saga).await?;
    }
    let f1 = ["f1".to_string()];
    expect_eq!(store.claim(&worker("two"), &f1, 0).await, Ok(vec![]));
    expect_eq!(ids(&store.claim(&worker("two"), &f1, 3).await?), ["e", "b", "d"]);
    expect_eq!(ids(&store.claim(&worker("two"), &f1, 3).await?), ["c", "a"]);
    expect_eq!(store.claim(&worker("two"), &f1, 3).await, Ok(vec![]));
    Ok(())
}

pub(super) async fn claim_accepts_thousands_of_fingerprints(store: &impl Store) -> CheckResult {
    let mut saga = new_saga("a");
    saga.record.fingerprint = "f39999".into();
    create(store, saga).await?;
    let many: Vec<String> = (0..40_000).map(|n| format!("f{n}")).collect();
    expect_eq!(store.claim(&worker("two"), &many, usize::MAX).await?.len(), 1);
    Ok(())
}

pub(super) async fn a_released_saga_counts_no_crash_and_can_be_claimed(
    store: &impl Store,
) -> CheckResult {
    create(store, new_saga("a")).await?;
    let mut other = new_saga("b");
    other.record.owner = Some(worker("other"));
    create(store, other).await?;
    store.release(&worker("one")).await?;
    let record = load(store, "a").await?.record;
    expect_eq!((record.owner, record.epoch, record.attempts), (None, 1, 0));
    let record = load(store, "b").await?.record;
    expect_eq!((record.owner, record.epoch, record.attempts), (Some(worker("other")), 1, 1));

    let again = store.claim(&worker("one"), &["f1".to_string()], 1).await?;
    let again: Vec<_> = again.iter().map(|r| (r.id.as_str(), r.epoch, r.attempts)).collect();
    expect_eq!(again, [("a", 2, 1)]);
    Ok(())
}

pub(super) async fn progress_resets_the_attempts(store: &impl Store) -> CheckResult {
    let mut saga = new_saga("a");
    saga.record.attempts = 3;
    create(store, saga).await?;
    store.append(append("a", 2, vec![about(NodeEntry::Started)])).await?;
    expect_eq!(load(store, "a").await?.record.attempts, 3);
    let mut outcome = append("a", 3, vec![about(NodeEntry::Succeeded(Payload::default()))]);
    outcome.change.progress = true;
    store.append(outcome).await?;
    expect_eq!(load(store, "a").await?.record.attempts, 1);
    Ok(())
}

pub(super) async fn delete_removes_only_sagas_that_nobody_runs(store: &impl Store) -> CheckResult {
    create(store, new_saga("running")).await?;
    create(store, new_saga("other")).await?;
    let mut ended = new_saga("ended");
    ended.record.status = SagaStatus::Completed;
    create(store, ended).await?;

    expect_eq!(store.delete(&id("ended")).await, Ok(true));
    expect_eq!(store.delete(&id("ended")).await, Ok(false));
    expect_eq!(store.delete(&id("running")).await, Err(StoreError::Fenced { saga: id("running") }));
    expect_eq!(load(store, "running").await?.entries.len(), 1);

    store.release(&worker("one")).await?;
    expect_eq!(store.delete(&id("running")).await, Ok(true));
    expect_eq!(store.load(&id("running")).await, Ok(None));
    expect_eq!(load(store, "other").await?.entries.len(), 1);

    let again = new_saga("running");
    create(store, again.clone()).await?;
    expect_eq!(load(store, "running").await?.entries, again.entries);
    Ok(())
}
