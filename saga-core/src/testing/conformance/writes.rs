//! Creating sagas and appending to their logs.

use futures_util::future::{join_all, ready, select};
use serde_json::json;

use super::*;
use crate::log::{
    Cause, Command, EarlierAttempts, Failure, FailureKind, Fault, KeptKey, Migrated, NodePath,
    Refusal, Resolution, TryFailure, Won,
};
use crate::names::NodeName;

pub(super) async fn create_stores_the_saga_unchanged(store: &impl Store) -> CheckResult {
    let mut saga = new_saga("a");
    saga.record.name = "größe \u{0} 'quoted' \"".into();
    saga.record.wake_at = Some(Timestamp(i64::MAX.unsigned_abs()));
    saga.record.context = Some(Payload::from(&b"\x00\xff"[..]));
    saga.record.error = Some(String::new());
    saga.record.parked_reason = Some("a\u{0}b".to_string());
    saga.record.params = Payload::default();
    saga.record.paused = true;
    saga.entries.push(entry(2, about(NodeEntry::Started)));
    saga.record.next_seq = 3;
    create(store, saga.clone()).await?;
    let found = load(store, "a").await?;
    expect_eq!(found, StoredSaga { record: saga.record, entries: saga.entries });
    Ok(())
}

pub(super) async fn create_with_a_taken_id_changes_nothing(store: &impl Store) -> CheckResult {
    let first = new_saga("a");
    create(store, first.clone()).await?;
    let mut other = new_saga("a");
    other.record.params = Payload::from(&b"other"[..]);
    let Created::Exists(there) = store.create(other).await? else {
        return Err(Violation::new("`create` answered `New` although the id was taken"));
    };
    expect_eq!(*there, first.record);
    expect_eq!(load(store, "a").await?.entries, first.entries);
    Ok(())
}

pub(super) async fn create_refuses_wrong_sequence_numbers(store: &impl Store) -> CheckResult {
    let mut none = new_saga("a");
    none.entries.clear();
    let mut late = new_saga("a");
    late.entries = vec![entry(2, about(NodeEntry::Skipped))];
    let mut miscounted = new_saga("a");
    miscounted.record.next_seq = 3;
    for bad in [none, late, miscounted] {
        let refused = store.create(bad).await;
        expect_that!(matches!(refused, Err(StoreError::Failed { .. })), "{refused:?}");
    }
    expect_eq!(store.load(&id("a")).await, Ok(None));
    Ok(())
}

pub(super) async fn append_grows_the_log_and_changes_the_record(store: &impl Store) -> CheckResult {
    create(store, new_saga("a")).await?;
    let mut first = append("a", 2, vec![SagaEntry::Paused.into(), about(NodeEntry::Skipped)]);
    first.change = RecordChange {
        status: SagaStatus::RollingBack,
        wake_at: Some(Timestamp(5_000)),
        error: Some("no seat".to_string()),
        context: Some(Payload::from(&b"context"[..])),
        paused: Some(true),
        parked_reason: Some(Some("crash loop".to_string())),
        progress: false,
        definition: None,
    };
    store.append(first).await?;
    let found = load(store, "a").await?;
    let record = found.record;
    let expected =
        append("a", 2, vec![SagaEntry::Paused.into(), about(NodeEntry::Skipped)]).entries;
    expect_eq!(after_first(&found.entries), expected);
    expect_eq!(record.status, SagaStatus::RollingBack);
    expect_eq!(record.wake_at, Some(Timestamp(5_000)));
    expect_eq!(record.error.as_deref(), Some("no seat"));
    expect_eq!(record.context, Some(Payload::from(&b"context"[..])));
    expect_that!(record.paused);
    expect_eq!(record.parked_reason.as_deref(), Some("crash loop"));
    expect_eq!(record.next_seq, 4);
    expect_eq!(record.updated_at, Timestamp(1_003));
    expect_eq!((record.epoch, record.owner), (1, Some(worker("one"))));
    Ok(())
}

pub(super) async fn append_changes_only_the_given_fields(store: &impl Store) -> CheckResult {
    let mut saga = new_saga("a");
    saga.record.wake_at = Some(Timestamp(5_000));
    saga.record.error = Some("no seat".to_string());
    saga.record.context = Some(Payload::from(&b"context"[..]));
    saga.record.paused = true;
    saga.record.parked_reason = Some("crash loop".to_string());
    saga.record.attempts = 2;
    create(store, saga.clone()).await?;
    store.append(append("a", 2, vec![about(NodeEntry::Started)])).await?;
    let mut expected = saga.record;
    // Without a `wake_at`, the saga does not wait.
    expected.wake_at = None;
    expected.next_seq = 3;
    expected.updated_at = Timestamp(1_002);
    expect_eq!(load(store, "a").await?.record, expected);

    let mut back = append("a", 3, vec![SagaEntry::Resumed.into()]);
    back.change.paused = Some(false);
    back.change.parked_reason = Some(None);
    store.append(back).await?;
    let record = load(store, "a").await?.record;
    expect_that!(!record.paused);
    expect_eq!(record.parked_reason, None);
    expect_eq!(record.error.as_deref(), Some("no seat"));
    Ok(())
}

pub(super) async fn append_with_a_stale_owner_epoch_or_seq_is_fenced(
    store: &impl Store,
) -> CheckResult {
    create(store, new_saga("a")).await?;
    let good = append("a", 2, vec![about(NodeEntry::Started)]);
    let before = load(store, "a").await?;
    let other_owner = Append { owner: worker("two"), ..good.clone() };
    let old_epoch = Append { epoch: 0, ..good.clone() };
    let new_epoch = Append { epoch: 2, ..good.clone() };
    let ahead = append("a", 3, vec![about(NodeEntry::Started)]);
    let behind = append("a", 1, vec![about(NodeEntry::Started)]);
    for stale in [other_owner, old_epoch, new_epoch, ahead, behind] {
        expect_eq!(store.append(stale).await, fenced("a"));
    }
    expect_eq!(load(store, "a").await?, before);

    store.append(good.clone()).await?;
    expect_eq!(store.append(good).await, fenced("a"));

    store.release(&worker("one")).await?;
    expect_eq!(store.append(append("a", 3, vec![about(NodeEntry::Started)])).await, fenced("a"));
    Ok(())
}

pub(super) async fn one_of_many_concurrent_appends_wins(store: &impl Store) -> CheckResult {
    create(store, new_saga("a")).await?;
    let tries = (0..20).map(|n| store.append(append("a", 2, vec![about(NodeEntry::Chosen(n))])));
    let results = join_all(tries).await;
    expect_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    expect_that!(results.iter().all(|result| *result == Ok(()) || *result == fenced("a")));
    expect_eq!(load(store, "a").await?.entries.len(), 2);
    Ok(())
}

pub(super) async fn append_refuses_wrong_sequence_numbers(store: &impl Store) -> CheckResult {
    create(store, new_saga("a")).await?;
    let before = load(store, "a").await?;
    let mut gap = append("a", 2, vec![about(NodeEntry::Started), about(NodeEntry::Skipped)]);
    gap.entries = vec![entry(2, about(NodeEntry::Started)), entry(4, about(NodeEntry::Skipped))];
    let mut twice = append("a", 2, vec![about(NodeEntry::Started), about(NodeEntry::Skipped)]);
    twice.entries = vec![entry(2, about(NodeEntry::Started)), entry(2, about(NodeEntry::Skipped))];
    let mut elsewhere = append("a", 2, vec![about(NodeEntry::Started)]);
    elsewhere.entries = vec![entry(3, about(NodeEntry::Started))];
    for bad in [append("a", 2, vec![]), gap, twice, elsewhere] {
        let refused = store.append(bad).await;
        expect_that!(matches!(refused, Err(StoreError::Failed { .. })), "{refused:?}");
    }
    expect_eq!(load(store, "a").await?, before);
    Ok(())
}

pub(super) async fn every_kind_of_entry_is_returned_bit_for_bit(store: &impl Store) -> CheckResult {
    let text = || "line\nbreak \u{0} \u{202e} 'quote' \"ü😀".to_string();
    let error = json!({"n": u64::MAX, "i": i64::MIN, "x": [null, 1.5, text()]}).to_string();
    let error = error.replace("1.5", "340282366920938463463374607431768211455").into_bytes();
    let error = Payload::from(error);
    let failure = || Failure {
        kind: FailureKind::TimedOut,
        message: text(),
        sources: vec![text(), String::new()],
        error: Some(error.clone()),
        retryable: true,
        rolled_back: true,
    };
    let at = Timestamp(u64::MAX); // there is no limit inside a payload
    let about_nodes = [
        NodeEntry::Started,
        NodeEntry::Succeeded(Payload::default()),
        NodeEntry::Succeeded(Payload::from((0..=255).collect::<Vec<u8>>())),
        NodeEntry::Succeeded(Payload::from(vec![0; 300_000])),
        NodeEntry::Failed(failure().into()),
        NodeEntry::InDoubt(failure().permanent().into()),
        NodeEntry::NotDone,
        NodeEntry::RetryScheduled { at },
        NodeEntry::Chosen(u64::MAX),
        NodeEntry::ScopeUnwinding(
            TryFailure { node: NodePath::from("ride#0/taxi"), failure: failure() }.into(),
        ),
        NodeEntry::Skipped,
        NodeEntry::UndoStarted,
        NodeEntry::UndoFinished,
        NodeEntry::UndoFailed(Failure::new(FailureKind::Failed, "").into()),
        NodeEntry::UndoRetryScheduled { at, failure: failure().into() },
        NodeEntry::Resolved(Resolution { by: text(), note: text() }.into()),
        NodeEntry::Waiting { until: vec![at, Timestamp(0)] },
        NodeEntry::Waited(Won { alternative: u32::MAX, event: Some(u64::MAX) }),
        NodeEntry::Waited(Won { alternative: 0, event: None }),
    ];
    let about_sagas = [
        SagaEntry::Unwinding(Cause::Failed { node: NodePath::from("disks[2]/volume#1") }),
        SagaEntry::Unwinding(Cause::Cancelled { reason: text() }),
        SagaEntry::Unwinding(Cause::DeadlineExceeded),
        SagaEntry::Unwinding(Cause::Rollback { reason: String::new() }),
        SagaEntry::Paused,
        SagaEntry::Resumed,
        SagaEntry::Parked { reason: text() },
        SagaEntry::Unparked,
        SagaEntry::Suspected { crashes: u32::MAX, alone: true },
        SagaEntry::Cleared,
        SagaEntry::Requested {
            id: uuid::Uuid::from_u128(7),
            by: text(),
            command: Command::Cancel { reason: text() }.into(),
        },
        SagaEntry::Refused {
            id: uuid::Uuid::from_u128(7),
            why: Refusal::Invalid { why: text() }.into(),
        },
        SagaEntry::Injected { at: "a/b[1]".into(), fault: Fault::Repeat(2) },
        SagaEntry::Migrated(Box::new(Migrated {
            from: 1,
            to: u32::MAX,
            left: text(),
            keys: NodeName::new("größe").into_iter().map(|name| (name, text())).collect(),
            retold: 0,
            earlier: [(
                "a[1]/b".into(),
                EarlierAttempts { attempts: 3, uncounted: 1, generation: 2 },
            )]
            .into(),
            steps: 2,
            kept: vec!["a/b[1]".into()],
            kept_keys: vec![KeptKey { name: "a/b[1]".into(), generation: 2 }],
        })),
    ];
    let ended = [SagaStatus::Completed, SagaStatus::RolledBack, SagaStatus::Stuck];
    let about_sagas = about_sagas.into_iter().chain(ended.map(SagaEntry::Ended));
    let attempts = [0, 1, u32::MAX].into_iter().cycle();
    let about_nodes = about_nodes.into_iter().zip(attempts);
    let kinds = about_nodes.map(|(entry, attempt)| entry.about("größe[0]/b#1", attempt));
    let given = append("a", 2, kinds.chain(about_sagas.map(EntryKind::from)).collect());
    create(store, new_saga("a")).await?;
    store.append(given.clone()).await?;
    expect_eq!(after_first(&load(store, "a").await?.entries), given.entries);
    Ok(())
}

pub(super) async fn many_sagas_grow_concurrently(store: &impl Store) -> CheckResult {
    let names: Vec<String> = (0..40).map(|n| format!("saga-{n:02}")).collect();
    let grown = join_all(names.iter().map(|name| async move {
        create(store, new_saga(name)).await?;
        for seq in 2..22 {
            store.append(append(name, seq, vec![about(NodeEntry::Chosen(seq))])).await?;
        }
        Ok(())
    }));
    grown.await.into_iter().collect::<CheckResult>()?;
    for name in &names {
        let entries = load(store, name).await?.entries;
        let expected =
            append(name, 2, (2..22).map(|n| about(NodeEntry::Chosen(n))).collect()).entries;
        expect_eq!(after_first(&entries), expected);
    }
    Ok(())
}

/// A store may commit writes together, but each has a result of its own.
pub(super) async fn each_of_many_concurrent_writes_has_its_own_result(
    store: &impl Store,
) -> CheckResult {
    for round in ["simple", "full"] {
        let names: Vec<String> = (0..40).map(|n| format!("{round}-{n}")).collect();
        let sagas = names.iter().map(|name| {
            let mut saga = new_saga(name);
            saga.record.deadline = saga.record.deadline.filter(|_| round == "full");
            saga
        });
        let sagas: Vec<NewSaga> = sagas.collect();
        for taken in sagas.iter().step_by(3) {
            create(store, taken.clone()).await?;
        }
        let created = join_all(sagas.iter().map(|saga| store.create(saga.clone()))).await;
        for (n, created) in created.into_iter().enumerate() {
            expect_eq!(matches!(created?, Created::New), n % 3 != 0);
        }
        let appends = names.iter().enumerate().map(|(n, name)| {
            let mut append = append(name, 2, vec![about(NodeEntry::Chosen(n as u64))]);
            append.change.error = Some("no seat".to_string()).filter(|_| round == "full");
            match n % 6 {
                1 => append.epoch = 2,
                2 => append.owner = worker("two"),
                3 => append.saga = id(&format!("{name}-is-not-there")),
                _ => {}
            }
            append
        });
        let appends: Vec<Append> = appends.collect();
        let results = join_all(appends.iter().map(|given| store.append(given.clone()))).await;
        for ((n, result), given) in results.into_iter().enumerate().zip(&appends) {
            let expected = match n % 6 {
                1 | 2 => Err(StoreError::Fenced { saga: given.saga.clone() }),
                3 => Err(StoreError::NotFound { saga: given.saga.clone() }),
                _ => Ok(()),
            };
            expect_eq!(result, expected);
        }
        for ((n, name), given) in names.iter().enumerate().zip(&appends) {
            let entries = if [1, 2, 3].contains(&(n % 6)) { &[][..] } else { &given.entries };
            expect_eq!(after_first(&load(store, name).await?.entries), entries);
        }
    }
    Ok(())
}

pub(super) async fn one_of_many_concurrent_creates_wins(store: &impl Store) -> CheckResult {
    let sagas: Vec<NewSaga> = (0..20).map(|_| new_saga("a")).collect();
    let created = join_all(sagas.iter().map(|saga| store.create(saga.clone()))).await;
    let mut winners = Vec::new();
    for (saga, created) in sagas.iter().zip(&created) {
        if matches!(created, Ok(Created::New)) {
            winners.push(saga);
        }
    }
    expect_eq!(winners.len(), 1);
    for (winner, result) in winners.iter().flat_map(|w| created.iter().map(move |c| (w, c))) {
        match result {
            Ok(Created::New) => {}
            Ok(Created::Exists(there)) => expect_eq!(**there, winner.record),
            Err(e) => return Err(e.clone().into()),
        }
        expect_eq!(load(store, "a").await?.entries, winner.entries);
    }
    Ok(())
}

/// A caller that did not learn whether its append was committed loads the saga, and may append again.
pub(super) async fn a_dropped_append_happens_once_or_not_at_all(store: &impl Store) -> CheckResult {
    for n in 0..20 {
        let name = &format!("saga-{n}");
        create(store, new_saga(name)).await?;
        let given = append(name, 2, vec![about(NodeEntry::Started), about(NodeEntry::Skipped)]);
        drop(select(store.append(given.clone()), ready(())).await);
        let there = load(store, name).await?;
        expect_that!([1, 3].contains(&there.entries.len()), "{} entries", there.entries.len());
        expect_eq!(there.record.next_seq, there.entries.len() as u64 + 1);

        let again = store.append(given.clone()).await;
        expect_that!(again == Ok(()) || again == fenced(name), "{again:?}");
        expect_eq!(after_first(&load(store, name).await?.entries), given.entries);
        store.append(append(name, 4, vec![about(NodeEntry::Started)])).await?;
    }
    Ok(())
}
