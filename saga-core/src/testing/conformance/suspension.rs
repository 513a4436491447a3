//! Sagas that nobody keeps in memory until their time comes.

use futures_util::future::join_all;

use super::*;
use crate::log::ListedState;

fn f1() -> [String; 1] {
    ["f1".to_string()]
}

fn suspension(name: &str, next_seq: u64, wake_at: Option<u64>) -> Suspension {
    let (owner, wake_at) = (worker("one"), wake_at.map(Timestamp));
    Suspension { saga: id(name), owner, epoch: 1, next_seq, wake_at }
}

async fn create_suspended(store: &impl Store, name: &str, wake_at: Option<u64>) -> CheckResult {
    create(store, new_saga(name)).await?;
    Ok(store.suspend(suspension(name, 2, wake_at)).await?)
}

async fn claim_due(
    store: &impl Store,
    name: &str,
    now: u64,
    limit: usize,
) -> Result<Vec<SagaRecord>, StoreError> {
    store.renew(&worker(name)).await?;
    store.claim_due(&worker(name), &f1(), Timestamp(now), limit).await
}

pub(super) async fn a_suspended_saga_has_no_owner_and_is_not_claimed(
    store: &impl Store,
) -> CheckResult {
    create(store, new_saga("a")).await?;
    let before = load(store, "a").await?.record;
    store.suspend(suspension("a", 2, Some(5_000))).await?;
    let found = load(store, "a").await?;
    expect_eq!(found.entries.len(), 1);
    let record = found.record;
    expect_eq!(record.owner, None);
    expect_that!(record.suspended, "{record:?}");
    expect_eq!(record.wake_at, Some(Timestamp(5_000)));
    expect_eq!((record.epoch, record.attempts), (before.epoch, 0));
    expect_eq!(record.listed_state(), ListedState::Waiting);
    // neither its last worker goes on with it, nor does another one start to
    let late = append("a", 2, vec![about(NodeEntry::Skipped)]);
    expect_eq!(store.append(late).await, fenced("a"));
    store.renew(&worker("two")).await?;
    expect_eq!(store.claim(&worker("two"), &f1(), 10).await, Ok(vec![]));
    store.release(&before.owner.unwrap_or_else(|| worker("one"))).await?;
    expect_eq!(load(store, "a").await?.record, record);
    Ok(())
}

pub(super) async fn what_is_due_is_claimed_in_its_order_up_to_the_limit(
    store: &impl Store,
) -> CheckResult {
    for (name, wake_at) in [("late", 300), ("a", 200), ("first", 100), ("b", 200)] {
        create_suspended(store, name, Some(wake_at)).await?;
    }
    create_suspended(store, "event", None).await?;
    create(store, new_saga("runs")).await?;
    expect_eq!(store.next_due(&f1()).await, Ok(Some(Timestamp(100))));
    expect_eq!(store.next_due(&["f2".to_string()]).await, Ok(None));
    expect_eq!(claim_due(store, "two", 99, 10).await, Ok(vec![]));
    store.renew(&worker("two")).await?;
    let unknown = store.claim_due(&worker("two"), &["f2".to_string()], Timestamp(999), 10).await;
    expect_eq!(unknown, Ok(vec![]));
    expect_eq!(claim_due(store, "two", 999, 0).await, Ok(vec![]));

    let before = load(store, "first").await?.record;
    let first = claim_due(store, "two", 250, 1).await?;
    expect_eq!(ids(&first), ["first"]);
    let record = load(store, "first").await?.record;
    expect_eq!(first, std::slice::from_ref(&record));
    expect_that!(!record.suspended, "{record:?}");
    expect_eq!(record.owner, Some(worker("two")));
    expect_eq!((record.epoch, record.attempts), (before.epoch + 1, 1));
    // its worker goes on with it
    let mut goes_on = append("first", 2, vec![about(NodeEntry::Skipped)]);
    (goes_on.owner, goes_on.epoch) = (worker("two"), record.epoch);
    store.append(goes_on).await?;

    expect_eq!(store.next_due(&f1()).await, Ok(Some(Timestamp(200))));
    expect_eq!(ids(&claim_due(store, "two", 250, 10).await?), ["a", "b"]);
    expect_eq!(store.next_due(&f1()).await, Ok(Some(Timestamp(300))));
    expect_eq!(ids(&claim_due(store, "two", 300, 10).await?), ["late"]);
    // what waits for somebody has no time
    expect_eq!(store.next_due(&f1()).await, Ok(None));
    expect_eq!(claim_due(store, "two", u64::MAX, 10).await, Ok(vec![]));
    Ok(())
}

pub(super) async fn a_suspended_saga_that_is_taken_is_not_suspended_any_more(
    store: &impl Store,
) -> CheckResult {
    create_suspended(store, "a", None).await?;
    store.renew(&worker("two")).await?;
    let taken = store.take(&worker("two"), &id("a")).await?;
    let record = load(store, "a").await?.record;
    expect_eq!(taken, Some(record.clone()));
    expect_that!(!record.suspended, "{record:?}");
    expect_eq!(record.owner, Some(worker("two")));
    // it can be suspended again, and is found when it is due
    let again = suspension("a", 2, Some(7));
    let again = Suspension { owner: worker("two"), epoch: record.epoch, ..again };
    store.suspend(again).await?;
    expect_eq!(ids(&claim_due(store, "two", 7, 10).await?), ["a"]);
    Ok(())
}

pub(super) async fn a_suspended_saga_that_is_parked_is_not_due(store: &impl Store) -> CheckResult {
    create(store, new_saga("a")).await?;
    let mut parks = append("a", 2, vec![about(NodeEntry::Started)]);
    parks.change.parked_reason = Some(Some("crash loop".to_string()));
    store.append(parks).await?;
    store.suspend(suspension("a", 3, Some(1))).await?;
    create_suspended(store, "b", Some(2)).await?;
    expect_eq!(store.next_due(&f1()).await, Ok(Some(Timestamp(2))));
    expect_eq!(ids(&claim_due(store, "two", 9, 1).await?), ["b"]);
    expect_eq!(claim_due(store, "two", 9, 1).await, Ok(vec![]));
    expect_eq!(store.next_due(&f1()).await, Ok(None));
    Ok(())
}

pub(super) async fn only_the_owner_that_has_seen_the_whole_log_suspends(
    store: &impl Store,
) -> CheckResult {
    create(store, new_saga("a")).await?;
    let before = load(store, "a").await?;
    let good = suspension("a", 2, None);
    for bad in [
        Suspension { owner: worker("two"), ..good.clone() },
        Suspension { epoch: 2, ..good.clone() },
        Suspension { next_seq: 1, ..good.clone() },
        Suspension { next_seq: 3, ..good.clone() },
    ] {
        expect_eq!(store.suspend(bad).await, fenced("a"));
    }
    expect_eq!(load(store, "a").await?, before);
    let nobody = Suspension { saga: id("b"), ..good.clone() };
    expect_eq!(store.suspend(nobody).await, Err(StoreError::NotFound { saga: id("b") }));
    let mut ends = append("a", 2, vec![SagaEntry::Ended(SagaStatus::Completed).into()]);
    ends.change = RecordChange::status(SagaStatus::Completed);
    store.append(ends).await?;
    let ended = load(store, "a").await?;
    expect_eq!(store.suspend(Suspension { next_seq: 3, ..good }).await, fenced("a"));
    expect_eq!(load(store, "a").await?, ended);
    Ok(())
}

pub(super) async fn each_due_saga_is_claimed_by_one_of_many_workers(
    store: &impl Store,
) -> CheckResult {
    for n in 0..40 {
        create_suspended(store, &format!("s{n:02}"), Some(n)).await?;
    }
    let names = ["w0", "w1", "w2", "w3"];
    let claims = names.map(|name| async move {
        let mut all = Vec::new();
        loop {
            let claimed = claim_due(store, name, 100, 3).await?;
            if claimed.is_empty() {
                return Ok::<_, StoreError>(all);
            }
            all.extend(claimed.into_iter().map(|record| record.id.to_string()));
        }
    });
    let mut all = Vec::new();
    for claimed in join_all(claims).await {
        all.extend(claimed?);
    }
    // a saga that two workers look at at the same time may be left to the next look
    all.extend(
        claim_due(store, "w0", 100, 100).await?.into_iter().map(|record| record.id.to_string()),
    );
    all.sort_unstable();
    expect_eq!(all, (0..40).map(|n| format!("s{n:02}")).collect::<Vec<_>>());
    Ok(())
}

pub(super) async fn suspended_sagas_are_listed_and_counted(store: &impl Store) -> CheckResult {
    create_suspended(store, "a", Some(5)).await?;
    create(store, new_saga("b")).await?;
    create_suspended(store, "c", None).await?;
    for (suspended, expected) in [(Some(true), vec!["a", "c"]), (Some(false), vec!["b"])] {
        let filter = ListFilter { suspended, ..ListFilter::default() };
        expect_eq!(ids(&store.list(filter.clone()).await?), expected);
        let statuses = vec![SagaStatus::Running];
        expect_eq!(ids(&store.list(ListFilter { statuses, ..filter }).await?), expected);
    }
    for (due_before, expected) in [(5, vec![]), (6, vec!["a"]), (u64::MAX, vec!["a"])] {
        let due_before = Some(Timestamp(due_before));
        let filter = ListFilter { due_before, ..ListFilter::default() };
        expect_eq!(ids(&store.list(filter).await?), expected);
    }
    let counts = store.counts().await?;
    let states = counts.iter().flat_map(|version| &version.states);
    let states = states.map(|count| (count.state, count.sagas)).collect::<Vec<_>>();
    expect_eq!(states, [(ListedState::Waiting, 2), (ListedState::Running, 1)]);
    // they are unfinished
    let unfinished = store.versions().await?.iter().map(|version| version.unfinished).sum::<u64>();
    expect_eq!(unfinished, 3);
    Ok(())
}
