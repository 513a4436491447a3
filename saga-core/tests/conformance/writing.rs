//! Creating sagas and growing their logs.

use saga_core::log::{Cause, Command, Failure, FailureKind, Fault, NodePath, Refusal};
use serde_json::json;

use super::super::*;

pub(crate) async fn a_new_saga_is_found_as_it_was_given(store: &impl Store) {
    let mut saga = new_saga("a");
    saga.record.name = "größe \u{0} 'quoted' \"".to_string();
    saga.record.wake_at = Some(Timestamp(u64::try_from(i64::MAX).unwrap()));
    saga.record.context = Some(Payload::from(&b"\x00\xff"[..]));
    saga.record.error = Some(String::new());
    saga.record.parked_reason = Some("a\u{0}b".to_string());
    saga.record.params = Payload::default();
    saga.record.paused = true;
    saga.entries.push(entry(2, EntryKind::Started));
    saga.record.next_seq = 3;
    put(store, saga.clone()).await;
    let found = get(store, "a").await;
    assert_eq!(found, StoredSaga { record: saga.record, entries: saga.entries });
}

pub(crate) async fn creating_it_again_leaves_the_first_untouched(store: &impl Store) {
    let first = new_saga("a");
    put(store, first.clone()).await;
    let mut other = new_saga("a");
    other.record.params = Payload::from(&b"other"[..]);
    let Created::Exists(there) = store.create(other).await.unwrap() else {
        panic!("the id was taken");
    };
    assert_eq!(*there, first.record);
    assert_eq!(get(store, "a").await.entries, first.entries);
}

pub(crate) async fn a_new_saga_must_count_its_entries_rightly(store: &impl Store) {
    let mut none = new_saga("a");
    none.entries.clear();
    let mut late = new_saga("a");
    late.entries[0].seq = 2;
    let mut miscounted = new_saga("a");
    miscounted.record.next_seq = 3;
    for bad in [none, late, miscounted] {
        let e = store.create(bad).await.unwrap_err();
        assert!(matches!(e, StoreError::Failed { .. }), "{e}");
    }
    assert_eq!(store.load(&id("a")).await, Ok(None));
}

pub(crate) async fn an_append_grows_the_log_and_changes_the_record(store: &impl Store) {
    put(store, new_saga("a")).await;
    let mut first = append("a", 2, vec![EntryKind::Paused, EntryKind::Skipped]);
    first.change = RecordChange {
        status: SagaStatus::RollingBack,
        wake_at: Some(Timestamp(5_000)),
        error: Some("no seat".to_string()),
        context: Some(Payload::from(&b"context"[..])),
        paused: Some(true),
        parked_reason: Some(Some("crash loop".to_string())),
        progress: false,
    };
    store.append(first).await.unwrap();
    let found = get(store, "a").await;
    let record = found.record;
    assert_eq!(
        found.entries[1..],
        append("a", 2, vec![EntryKind::Paused, EntryKind::Skipped]).entries
    );
    assert_eq!(record.status, SagaStatus::RollingBack);
    assert_eq!(record.wake_at, Some(Timestamp(5_000)));
    assert_eq!(record.error.as_deref(), Some("no seat"));
    assert_eq!(record.context, Some(Payload::from(&b"context"[..])));
    assert!(record.paused);
    assert_eq!(record.parked_reason.as_deref(), Some("crash loop"));
    assert_eq!(record.next_seq, 4);
    assert_eq!(record.updated_at, Timestamp(1_003));
    assert_eq!((record.epoch, record.owner), (1, Some(worker("one"))));
}

pub(crate) async fn an_append_changes_only_what_it_names(store: &impl Store) {
    let mut saga = new_saga("a");
    saga.record.wake_at = Some(Timestamp(5_000));
    saga.record.error = Some("no seat".to_string());
    saga.record.context = Some(Payload::from(&b"context"[..]));
    saga.record.paused = true;
    saga.record.parked_reason = Some("crash loop".to_string());
    saga.record.attempts = 2;
    put(store, saga.clone()).await;
    store.append(append("a", 2, vec![EntryKind::Started])).await.unwrap();
    let mut expected = saga.record;
    // An append without a time to wake means that the saga does not wait.
    expected.wake_at = None;
    expected.next_seq = 3;
    expected.updated_at = Timestamp(1_002);
    assert_eq!(get(store, "a").await.record, expected);

    let mut back = append("a", 3, vec![EntryKind::Resumed]);
    back.change.paused = Some(false);
    back.change.parked_reason = Some(None);
    store.append(back).await.unwrap();
    let record = get(store, "a").await.record;
    assert!(!record.paused);
    assert_eq!(record.parked_reason, None);
    assert_eq!(record.error.as_deref(), Some("no seat"));
}

pub(crate) async fn an_append_with_a_stale_owner_epoch_or_seq_is_fenced(store: &impl Store) {
    put(store, new_saga("a")).await;
    let good = append("a", 2, vec![EntryKind::Started]);
    let before = get(store, "a").await;
    let other_owner = Append { owner: worker("two"), ..good.clone() };
    let old_epoch = Append { epoch: 0, ..good.clone() };
    let new_epoch = Append { epoch: 2, ..good.clone() };
    let ahead = append("a", 3, vec![EntryKind::Started]);
    let behind = append("a", 1, vec![EntryKind::Started]);
    for stale in [other_owner, old_epoch, new_epoch, ahead, behind] {
        assert_eq!(store.append(stale).await, fenced("a"));
    }
    assert_eq!(get(store, "a").await, before);

    store.append(good.clone()).await.unwrap();
    assert_eq!(store.append(good).await, fenced("a"));

    store.release(&worker("one")).await.unwrap();
    assert_eq!(store.append(append("a", 3, vec![EntryKind::Started])).await, fenced("a"));
}

pub(crate) async fn of_two_appends_at_one_place_one_wins(store: &impl Store) {
    put(store, new_saga("a")).await;
    let tries = (0..20).map(|n| store.append(append("a", 2, vec![EntryKind::Chosen(n)])));
    let results = futures_util::future::join_all(tries).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(results.iter().all(|result| *result == Ok(()) || *result == fenced("a")));
    assert_eq!(get(store, "a").await.entries.len(), 2);
}

pub(crate) async fn an_append_needs_entries_without_gaps(store: &impl Store) {
    put(store, new_saga("a")).await;
    let before = get(store, "a").await;
    let mut gap = append("a", 2, vec![EntryKind::Started, EntryKind::Skipped]);
    gap.entries[1].seq = 4;
    let mut twice = append("a", 2, vec![EntryKind::Started, EntryKind::Skipped]);
    twice.entries[1].seq = 2;
    let mut elsewhere = append("a", 2, vec![EntryKind::Started]);
    elsewhere.entries[0].seq = 3;
    for bad in [append("a", 2, vec![]), gap, twice, elsewhere] {
        let e = store.append(bad).await.unwrap_err();
        assert!(matches!(e, StoreError::Failed { .. }), "{e}");
    }
    assert_eq!(get(store, "a").await, before);
}

pub(crate) async fn every_kind_of_entry_comes_back_bit_for_bit(store: &impl Store) {
    let text = || "line\nbreak \u{0} \u{202e} 'quote' \"ü😀".to_string();
    let failure = || Failure {
        kind: FailureKind::TimedOut,
        message: text(),
        sources: vec![text(), String::new()],
        error: Some(json!({"n": u64::MAX, "i": i64::MIN, "x": [null, 1.5, text()]})),
        retryable: true,
    };
    let at = Timestamp(u64::MAX); // inside a payload there is no limit
    let mut kinds = vec![
        EntryKind::Started,
        EntryKind::Succeeded(Payload::default()),
        EntryKind::Succeeded(Payload::from((0..=255).collect::<Vec<u8>>())),
        EntryKind::Succeeded(Payload::from(vec![0; 300_000])),
        EntryKind::Failed(failure()),
        EntryKind::InDoubt(failure().permanent()),
        EntryKind::RetryScheduled { at },
        EntryKind::Chosen(u64::MAX),
        EntryKind::Skipped,
        EntryKind::UndoStarted,
        EntryKind::UndoFinished,
        EntryKind::UndoFailed(Failure::new(FailureKind::Failed, "")),
        EntryKind::UndoRetryScheduled { at, failure: failure() },
        EntryKind::Unwinding(Cause::Failed { node: NodePath::from("disks[2]/volume#1") }),
        EntryKind::Unwinding(Cause::Cancelled { reason: text() }),
        EntryKind::Unwinding(Cause::DeadlineExceeded),
        EntryKind::Unwinding(Cause::Rollback { reason: String::new() }),
        EntryKind::Resolved { by: text(), note: text() },
        EntryKind::Paused,
        EntryKind::Resumed,
        EntryKind::Parked { reason: text() },
        EntryKind::Unparked,
        EntryKind::Requested {
            id: uuid::Uuid::from_u128(7),
            by: text(),
            command: Command::Cancel { reason: text() },
        },
        EntryKind::Refused { id: uuid::Uuid::from_u128(7), why: Refusal::Invalid { why: text() } },
        EntryKind::Injected { at: "a/b[1]".into(), fault: Fault::Repeat(2) },
        EntryKind::Migrated { fingerprint: text() },
    ];
    for status in [SagaStatus::Completed, SagaStatus::RolledBack, SagaStatus::Stuck] {
        kinds.push(EntryKind::Ended(status));
    }
    let mut given = append("a", 2, kinds);
    for (entry, attempt) in given.entries.iter_mut().zip([0, 1, u32::MAX].into_iter().cycle()) {
        entry.attempt = attempt;
        entry.node = (attempt > 0).then(|| NodePath::from("größe[0]/b#1"));
    }
    put(store, new_saga("a")).await;
    store.append(given.clone()).await.unwrap();
    assert_eq!(get(store, "a").await.entries[1..], given.entries);
}

pub(crate) async fn many_sagas_grow_at_the_same_time(store: &impl Store) {
    let names: Vec<String> = (0..40).map(|n| format!("saga-{n:02}")).collect();
    futures_util::future::join_all(names.iter().map(|name| async move {
        put(store, new_saga(name)).await;
        for seq in 2..22 {
            store.append(append(name, seq, vec![EntryKind::Chosen(seq)])).await.unwrap();
        }
    }))
    .await;
    for name in &names {
        let entries = get(store, name).await.entries;
        let expected = append(name, 2, (2..22).map(EntryKind::Chosen).collect()).entries;
        assert_eq!(entries[1..], expected);
    }
}
