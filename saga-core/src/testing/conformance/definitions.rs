//! Sagas that go on under another definition.

use futures_util::future::join_all;

use super::*;
use crate::log::{Answer, Command, Request, Uuid};

/// The definition with this fingerprint, whose parameters and DAG are recognized by it.
fn definition(fingerprint: &str) -> NewDefinition {
    NewDefinition {
        fingerprint: fingerprint.into(),
        params: Payload::from(format!("params of \u{0} {fingerprint}").into_bytes()),
        dag: Payload::from(format!("DAG of {fingerprint}").into_bytes()),
    }
}

/// The record of the same saga under another definition.
fn under(definition: &NewDefinition, record: SagaRecord) -> SagaRecord {
    let NewDefinition { fingerprint, params, dag } = definition.clone();
    SagaRecord { fingerprint, params, dag, ..record }
}

/// An append of two entries that brings a definition.
fn migration(name: &str, seq: u64, definition: &NewDefinition) -> Append {
    let kinds = vec![about(NodeEntry::Started), about(NodeEntry::Succeeded(Payload::default()))];
    let mut append = append(name, seq, kinds);
    append.change.definition = Some(Box::new(definition.clone()));
    append
}

/// The unfinished sagas of each version.
async fn versions(store: &impl Store) -> Result<Vec<(String, String, Payload, u64)>, Violation> {
    let versions = store.versions().await?.into_iter();
    let shown = versions.map(|v| (v.name, v.fingerprint, v.dag, v.unfinished));
    Ok(shown.collect())
}

fn version(definition: &NewDefinition, unfinished: u64) -> (String, String, Payload, u64) {
    let fingerprint = definition.fingerprint.to_string();
    ("book_trip".to_string(), fingerprint, definition.dag.clone(), unfinished)
}

/// What [`new_saga`] begins with.
fn first() -> NewDefinition {
    let SagaRecord { fingerprint, params, dag, .. } = new_saga("a").record;
    NewDefinition { fingerprint, params, dag }
}

pub(super) async fn append_changes_the_definition_with_its_entries(
    store: &impl Store,
) -> CheckResult {
    let asked = Request {
        id: Uuid::from_u128(7),
        saga: id("a"),
        command: Command::Pause,
        by: "ann".to_string(),
        at: Timestamp(1),
    };
    for name in ["a", "b"] {
        create(store, new_saga(name)).await?;
    }
    store.request(asked.clone()).await?;
    let (before, other) = (load(store, "a").await?, load(store, "b").await?);
    let second = definition("f2");
    let mut given = migration("a", 2, &second);
    given.change.parked_reason = Some(Some("why".to_string()));
    given.answers = vec![(asked.id, Answer::Done)];
    store.append(given.clone()).await?;

    let found = load(store, "a").await?;
    let expected = SagaRecord {
        next_seq: 4,
        updated_at: Timestamp(1_003),
        parked_reason: Some("why".to_string()),
        ..under(&second, before.record)
    };
    expect_eq!(found.record, expected);
    expect_eq!(after_first(&found.entries), given.entries);
    expect_eq!(store.answer_to(asked.id).await, Ok(Some(Answer::Done)));
    expect_eq!(store.load_many(vec![id("a")]).await, [Ok(Some(found))]);
    expect_eq!(load(store, "b").await?, other.clone());
    expect_eq!(store.list(ListFilter::default()).await, Ok(vec![expected.clone(), other.record]));
    let Created::Exists(there) = store.create(new_saga("a")).await? else {
        return Err(Violation::new("`create` answered `New` although the id was taken"));
    };
    expect_eq!(*there, expected);
    Ok(())
}

pub(super) async fn a_fenced_append_does_not_change_the_definition(
    store: &impl Store,
) -> CheckResult {
    for name in ["a", "b"] {
        create(store, new_saga(name)).await?;
    }
    store.append(migration("b", 2, &definition("f2"))).await?;
    let before = load(store, "a").await?;
    // one that other sagas have, and one that is new
    for fingerprint in ["f2", "f3"] {
        let new = definition(fingerprint);
        let good = migration("a", 2, &new);
        let other_owner = Append { owner: worker("two"), ..good.clone() };
        let old_epoch = Append { epoch: 0, ..good.clone() };
        let new_epoch = Append { epoch: 2, ..good };
        for stale in
            [other_owner, old_epoch, new_epoch, migration("a", 3, &new), migration("a", 1, &new)]
        {
            expect_eq!(store.append(stale).await, fenced("a"));
            expect_eq!(load(store, "a").await?, before);
        }
        let nowhere = store.append(migration("c", 2, &new)).await;
        expect_eq!(nowhere, Err(StoreError::NotFound { saga: id("c") }));
        let mut bad = migration("a", 2, &new);
        bad.entries.clear();
        let refused = store.append(bad).await;
        expect_that!(matches!(refused, Err(StoreError::Failed { .. })), "{refused:?}");
        expect_eq!(load(store, "a").await?, before);
    }
    expect_eq!(versions(store).await?, [version(&first(), 1), version(&definition("f2"), 1)]);
    store.append(migration("a", 2, &definition("f2"))).await?;
    expect_eq!(store.append(migration("a", 2, &definition("f3"))).await, fenced("a"));
    expect_eq!(versions(store).await?, [version(&definition("f2"), 2)]);
    Ok(())
}

pub(super) async fn a_saga_is_counted_and_claimed_under_its_new_definition(
    store: &impl Store,
) -> CheckResult {
    for name in ["a", "b", "c"] {
        create(store, new_saga(name)).await?;
    }
    let second = definition("f2");
    store.append(migration("a", 2, &second)).await?;
    expect_eq!(versions(store).await?, [version(&first(), 2), version(&second, 1)]);
    let mut ended = migration("b", 2, &second);
    ended.change.status = SagaStatus::Completed;
    store.append(ended).await?;
    expect_eq!(versions(store).await?, [version(&first(), 1), version(&second, 1)]);
    expect_eq!(load(store, "b").await?.record.fingerprint, second.fingerprint);

    store.release(&worker("one")).await?;
    store.renew(&worker("two")).await?;
    let by_old = store.claim(&worker("two"), &["f1".to_string()], 10).await?;
    expect_eq!(ids(&by_old), ["c"]);
    let unclaimed = load(store, "a").await?.record;
    expect_eq!((unclaimed.owner.clone(), unclaimed.epoch), (None, 1));
    let by_new = store.claim(&worker("two"), &["f2".to_string()], 10).await?;
    let expected = SagaRecord { owner: Some(worker("two")), epoch: 2, attempts: 1, ..unclaimed };
    expect_eq!(by_new, vec![expected.clone()]);

    // what was claimed is out of date once the saga is migrated
    let third = definition("f3");
    let next = Append { owner: worker("two"), epoch: 2, ..migration("a", 4, &third) };
    store.append(next).await?;
    let now = load(store, "a").await?;
    expect_eq!(now.record.params, third.params);
    expect_eq!(store.load_claimed(by_new).await, [Ok(Some(now.clone()))]);
    expect_eq!(
        store.take(&worker("two"), &id("a")).await,
        Ok(Some(SagaRecord { epoch: 3, ..now.record }))
    );
    expect_eq!(versions(store).await?, [version(&first(), 1), version(&third, 1)]);
    Ok(())
}

pub(super) async fn a_new_definition_outlives_later_writes_and_a_reopening(
    store: &impl Store,
) -> CheckResult {
    for name in ["a", "b"] {
        create(store, new_saga(name)).await?;
    }
    let other = load(store, "b").await?;
    store.append(migration("a", 2, &definition("f2"))).await?;
    store.append(append("a", 4, vec![about(NodeEntry::Skipped)])).await?;
    expect_eq!(load(store, "a").await?.record.params, definition("f2").params);
    let reopen = async || {
        let before = load(store, "a").await?;
        store.close().await?;
        store.reopen().await?;
        expect_eq!(load(store, "a").await?, before);
        expect_eq!(load(store, "b").await?, other);
        Ok::<_, Violation>(())
    };
    reopen().await?;
    // to a third one, with the same parameters and then with none, and back to the first
    let third = NewDefinition { params: definition("f2").params, ..definition("f3") };
    let none =
        NewDefinition { params: Payload::default(), dag: Payload::default(), ..third.clone() };
    for (seq, new) in [(5, &third), (7, &none), (9, &first())] {
        store.append(migration("a", seq, new)).await?;
        let record = load(store, "a").await?.record;
        expect_eq!(record, under(new, record.clone()));
        reopen().await?;
    }
    store.append(append("a", 11, vec![about(NodeEntry::Skipped)])).await?;
    store.release(&worker("one")).await?;
    let record = load(store, "a").await?.record;
    expect_eq!(record, under(&first(), record.clone()));
    expect_eq!(record.next_seq, 12);
    expect_eq!(versions(store).await?, [version(&first(), 2)]);
    Ok(())
}

/// They go to the same definition, to one of their own, or to none, and some are refused; each has its own result.
pub(super) async fn many_sagas_change_their_definitions_concurrently(
    store: &impl Store,
) -> CheckResult {
    let names: Vec<String> = (0..40).map(|n| format!("saga-{n:02}")).collect();
    for (name, n) in names.iter().zip(0..) {
        let mut saga = new_saga(name);
        // a name of its own has definitions of its own
        saga.record.name = if n % 8 == 0 { "order".into() } else { saga.record.name };
        create(store, saga).await?;
    }
    let appends = names.iter().zip(0..).map(|(name, n)| match n % 5 {
        0 | 1 => migration(name, 2, &definition("f2")),
        2 => migration(name, 2, &definition(&format!("own-{n}"))),
        3 => Append { epoch: 2, ..migration(name, 2, &definition("f2")) },
        _ => append(name, 2, vec![about(NodeEntry::Chosen(n))]),
    });
    let appends: Vec<Append> = appends.collect();
    let results = join_all(appends.iter().map(|given| store.append(given.clone()))).await;
    for (((given, result), name), n) in appends.iter().zip(results).zip(&names).zip(0..) {
        let found = load(store, name).await?;
        let is_fenced = n % 5 == 3;
        expect_eq!(result, if is_fenced { fenced(name) } else { Ok(()) });
        let entries = if is_fenced { &[][..] } else { &given.entries };
        expect_eq!(after_first(&found.entries), entries);
        let new = given.change.definition.as_deref().filter(|_| !is_fenced);
        let expected = under(&new.cloned().unwrap_or(first()), found.record.clone());
        expect_eq!(found.record, expected);
        expect_eq!(&*found.record.name, if n % 8 == 0 { "order" } else { "book_trip" });
    }
    let counts = store.versions().await?.into_iter().filter(|v| *v.fingerprint == *"f2");
    let counts = counts.map(|v| (v.name, v.unfinished)).collect::<Vec<_>>();
    expect_eq!(counts, [("book_trip".to_string(), 14), ("order".to_string(), 2)]);
    Ok(())
}

pub(super) async fn a_definition_that_no_saga_has_any_more_can_come_back(
    store: &impl Store,
) -> CheckResult {
    create(store, new_saga("a")).await?;
    store.append(migration("a", 2, &definition("f2"))).await?;
    // the first definition has no saga now, nor has any other after the removal
    store.release(&worker("one")).await?;
    expect_eq!(store.delete(&id("a")).await, Ok(true));
    expect_eq!(versions(store).await?, []);
    for name in ["b", "c"] {
        create(store, new_saga(name)).await?;
    }
    // a DAG of the same fingerprint that looks different, as one that is encrypted does
    let different = NewDefinition { dag: Payload::from(&b"another"[..]), ..definition("f2") };
    store.append(migration("b", 2, &definition("f2"))).await?;
    store.append(migration("c", 2, &different)).await?;
    store.append(migration("b", 4, &first())).await?;
    for (name, expected) in [("b", first()), ("c", different)] {
        let record = load(store, name).await?.record;
        expect_eq!(record, under(&expected, record.clone()));
    }
    create(store, new_saga("d")).await?;
    expect_eq!(load(store, "d").await?.record.dag, first().dag);
    Ok(())
}
