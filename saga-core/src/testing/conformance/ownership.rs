//! Ownership of sagas: claiming, releasing, and deleting.

use std::time::Duration;

use futures_util::future::join_all;

use super::*;
use crate::clock::real_pause;
use crate::log::{Answer, Command, Request, Uuid};

/// Claims sagas as a worker that is alive.
async fn claim(
    store: &impl Store,
    name: &str,
    fingerprints: &[String],
    limit: usize,
) -> Result<Vec<SagaRecord>, StoreError> {
    store.renew(&worker(name)).await?;
    store.claim(&worker(name), fingerprints, limit).await
}

/// Waits until all workers are dead, in a store with leases.
async fn end_lease(store: &impl Store) {
    if let Some(terms) = store.lease_terms() {
        real_pause(terms.duration + Duration::from_millis(100)).await;
    }
}

pub(super) async fn a_worker_that_is_alive_keeps_its_sagas(store: &impl Store) -> CheckResult {
    let Some(terms) = store.lease_terms() else { return Ok(()) };
    let f1 = ["f1".to_string()];
    store.renew(&worker("one")).await?;
    create(store, new_saga("a")).await?;
    expect_eq!(claim(store, "two", &f1, 10).await, Ok(vec![]));
    expect_eq!(
        store.take(&worker("two"), &id("a")).await,
        Err(StoreError::Fenced { saga: id("a") })
    );
    // nor does it answer what the owner may answer otherwise
    let [first, second] = [1, 2].map(Uuid::from_u128);
    for request in [first, second] {
        let command = Command::Pause;
        let (by, at) = ("alice".to_string(), Timestamp(10));
        store.request(Request { id: request, saga: id("a"), command, by, at }).await?;
    }
    let two_answers = store.answer(&worker("two"), first, Answer::Done).await;
    expect_eq!(two_answers, Err(StoreError::Fenced { saga: id("a") }));
    expect_eq!(store.answer_to(first).await, Ok(None));
    store.answer(&worker("one"), first, Answer::Done).await?;
    expect_eq!(store.answer_to(first).await, Ok(Some(Answer::Done)));
    let alive = store.workers().await?;
    let owned = alive.iter().map(|worker| (worker.id.as_str(), worker.sagas));
    expect_eq!(owned.collect::<Vec<_>>(), [("one", 1), ("two", 0)]);
    for alive in &alive {
        let until = alive.lease_until.unwrap_or(Timestamp(0));
        expect_that!(until > alive.since, "{alive:?}");
    }

    // a lease that is renewed goes on
    real_pause(terms.duration / 2).await;
    store.renew(&worker("one")).await?;
    real_pause(terms.duration / 2 + Duration::from_millis(100)).await;
    expect_eq!(claim(store, "three", &f1, 10).await, Ok(vec![]));
    let alive = store.workers().await?;
    expect_eq!(alive.iter().map(|worker| worker.id.as_str()).collect::<Vec<_>>(), ["one", "three"]);

    end_lease(store).await;
    expect_eq!(store.workers().await, Ok(vec![]));
    // of a saga whose owner is dead, any worker may answer that is alive
    let two_answers = store.answer(&worker("two"), second, Answer::Done).await;
    expect_eq!(two_answers, Err(StoreError::Fenced { saga: id("a") }));
    store.renew(&worker("four")).await?;
    store.answer(&worker("four"), second, Answer::Done).await?;
    expect_eq!(store.answer_to(second).await, Ok(Some(Answer::Done)));
    end_lease(store).await;
    // a worker whose lease has ended claims nothing, not even what is free
    expect_eq!(store.claim(&worker("three"), &f1, 10).await, Ok(vec![]));
    expect_eq!(ids(&claim(store, "two", &f1, 10).await?), ["a"]);
    // and its lease can begin again
    expect_eq!(claim(store, "one", &f1, 10).await, Ok(vec![]));
    store.release(&worker("two")).await?;
    expect_eq!(ids(&claim(store, "one", &f1, 10).await?), ["a"]);
    let alive = store.workers().await?;
    expect_eq!(alive.iter().map(|worker| worker.id.as_str()).collect::<Vec<_>>(), ["one"]);
    Ok(())
}

pub(super) async fn each_saga_is_claimed_by_one_of_many_workers(store: &impl Store) -> CheckResult {
    if store.lease_terms().is_none() {
        return Ok(());
    }
    for n in 0..60 {
        create(store, new_saga(&format!("s{n:02}"))).await?;
    }
    let f1 = ["f1".to_string()];
    let claims = ["two", "three", "four"].map(|name| {
        let f1 = &f1;
        async move {
            let mut all = Vec::new();
            loop {
                let claimed = claim(store, name, f1, 7).await?;
                if claimed.is_empty() {
                    return Ok::<_, StoreError>(all);
                }
                all.extend(claimed);
            }
        }
    });
    let mut all = Vec::new();
    for (claimed, name) in join_all(claims).await.into_iter().zip(["two", "three", "four"]) {
        for record in claimed? {
            expect_eq!((record.owner, record.epoch), (Some(worker(name)), 2));
            all.push(record.id);
        }
    }
    all.sort_unstable();
    let expected = (0..60).map(|n| id(&format!("s{n:02}"))).collect::<Vec<_>>();
    expect_eq!(all, expected);
    Ok(())
}

pub(super) async fn claim_takes_over_unfinished_sagas_with_a_new_epoch(
    store: &impl Store,
) -> CheckResult {
    create(store, new_saga("a")).await?;
    let f1 = ["f1".to_string()];
    // The worker already owns it.
    expect_eq!(claim(store, "one", &f1, 10).await, Ok(vec![]));

    end_lease(store).await;
    let claimed = claim(store, "two", &f1, 10).await?;
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

    end_lease(store).await;
    let third = claim(store, "three", &f1, 10).await?;
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
        change("failed", |record| record.status = SagaStatus::Failed),
        change("parked", |record| record.parked_reason = Some(String::new())),
        change("paused", |record| record.paused = true),
        change("rolled_back", |record| record.status = SagaStatus::RolledBack),
        change("rolling_back", |record| record.status = SagaStatus::RollingBack),
        change("stuck", |record| record.status = SagaStatus::Stuck),
        change("unknown", |record| record.fingerprint = "F1".into()),
    ] {
        create(store, saga).await?;
    }
    expect_eq!(claim(store, "two", &[], 10).await, Ok(vec![]));
    let known = ["f0".to_string(), "f1".to_string(), "\"]".to_string()];
    let claimed = claim(store, "two", &known, 10).await?;
    expect_eq!(ids(&claimed), ["failed", "paused", "rolling_back"]);
    if store.lease_terms().is_some() {
        let mut owned = store.owned(&worker("two")).await?;
        owned.sort_unstable();
        expect_eq!(owned, ["failed", "paused", "rolling_back"].map(id));
        expect_eq!(store.owned(&worker("one")).await, Ok(vec![id("unknown")]));
    }
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
    expect_eq!(claim(store, "two", &f1, 0).await, Ok(vec![]));
    let first = claim(store, "two", &f1, 3).await?;
    let second = claim(store, "two", &f1, 3).await?;
    if store.lease_terms().is_none() {
        expect_eq!(ids(&first), ["e", "b", "d"]);
    }
    expect_eq!(first.len(), 3);
    for page in [&first, &second] {
        expect_that!(page.is_sorted_by_key(|record| record.created_at), "{page:?}");
    }
    let mut all = [ids(&first), ids(&second)].concat();
    all.sort_unstable();
    expect_eq!(all, ["a", "b", "c", "d", "e"]);
    expect_eq!(claim(store, "two", &f1, 3).await, Ok(vec![]));
    Ok(())
}

pub(super) async fn claim_accepts_thousands_of_fingerprints(store: &impl Store) -> CheckResult {
    let mut saga = new_saga("a");
    saga.record.fingerprint = "f39999".into();
    create(store, saga).await?;
    let many: Vec<String> = (0..40_000).map(|n| format!("f{n}")).collect();
    expect_eq!(claim(store, "two", &many, usize::MAX).await?.len(), 1);
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

    let again = claim(store, "one", &["f1".to_string()], 1).await?;
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
