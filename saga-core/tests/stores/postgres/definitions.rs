//! Sagas that go on under another definition while others look at them, or with rows of the user.

use saga_core::log::Payload;
use saga_core::store::{
    Append, NewDefinition, PostgresStore, SagaRecord, Store, StoreError, TransactionWork, WorkerId,
};
use tokio::sync::oneshot;

use super::*;
use crate::samples::*;

fn definition(fingerprint: &str) -> NewDefinition {
    let payload = |what: &str| Payload::from(format!("{what} of {fingerprint}").into_bytes());
    NewDefinition {
        fingerprint: fingerprint.into(),
        params: payload("params"),
        dag: payload("dag"),
    }
}

fn migration(name: &str, seq: u64, fingerprint: &str) -> Append {
    let mut append = append(name, seq, b"x");
    append.change.definition = Some(Box::new(definition(fingerprint)));
    append
}

async fn record(store: &PostgresStore, name: &str) -> SagaRecord {
    store.load(&id(name)).await.unwrap().unwrap().record
}

fn definition_of(record: &SagaRecord) -> NewDefinition {
    let SagaRecord { fingerprint, params, dag, .. } = record.clone();
    NewDefinition { fingerprint, params, dag }
}

/// Work that ends with this result when it is told to. It says that it has begun, with which the row of the saga is locked.
struct Held {
    work: TransactionWork,
    begun: oneshot::Receiver<()>,
    end: oneshot::Sender<()>,
}

fn held(result: Result<(), &'static str>) -> Held {
    let (begins, begun) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    let work = TransactionWork::postgres(Box::new(move |_| {
        Box::pin(async move {
            begins.send(()).unwrap();
            ended.await.unwrap();
            let failed = |why: &str| StoreError::RolledBack { saga: id("a"), why: why.to_string() };
            result.map(|()| None).map_err(failed)
        })
    }));
    Held { work, begun, end }
}

/// Waits until somebody waits for a lock.
async fn somebody_waits(client: &Client) {
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let waiting =
        async { while client.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {} };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("nobody waits for a lock");
}

/// The statement of the take has read the parameters and the versions before it got the row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_take_that_waits_for_a_migration_returns_the_new_definition() {
    let url = database();
    let (client, store) = (client(&url).await, options(&url).connect().await.unwrap());
    create(&store, &["a", "b"]).await;
    // one that is stored already, and one that is new
    store.append(migration("b", 2, "f2")).await.unwrap();
    for (name, seq, fingerprint) in [("a", 2, "f2"), ("b", 3, "f3")] {
        let Held { work, begun, end } = held(Ok(()));
        let migrating = store.clone();
        let migrating = tokio::spawn(async move {
            migrating.append_with(migration(name, seq, fingerprint), work).await
        });
        begun.await.unwrap();
        let taking = store.clone();
        let taking =
            tokio::spawn(async move { taking.take(&WorkerId::from("two"), &id(name)).await });
        somebody_waits(&client).await;
        end.send(()).unwrap();
        assert_eq!(migrating.await.unwrap(), Ok(()));
        let taken = taking.await.unwrap().unwrap().unwrap();
        assert_eq!(definition_of(&taken), definition(fingerprint));
        assert_eq!(taken, record(&store, name).await);
        assert_eq!((taken.epoch, taken.next_seq), (2, seq + 1));
    }
}

/// The claim has begun, and waits in the middle: it has changed the first saga and not reached the second one yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_meets_a_migration_returns_the_new_definition() {
    let url = database();
    let client = client(&url).await;
    let store = options(&url).connect().await.unwrap();
    create(&store, &["a", "b"]).await;
    store.append(migration("a", 2, "f2")).await.unwrap();
    client.batch_execute(WAITS_BEFORE_THE_FIRST).await.unwrap();
    client.batch_execute("SELECT pg_advisory_lock(7)").await.unwrap();
    // a store with connections that have the settings, and a worker that stays alive on a slow machine
    let claims = options(&url).lease(Duration::from_secs(600)).connect().await.unwrap();
    claims.renew(&WorkerId::from("two")).await.unwrap();
    let known = ["f1", "f2"].map(String::from);
    let claiming =
        tokio::spawn(async move { claims.claim(&WorkerId::from("two"), &known, 10).await });
    somebody_waits(&client).await;
    // the statement changes sagas in the order in which it finds them
    let mut migrated = Vec::new();
    for (name, seq, fingerprint) in [("a", 3, "f1"), ("b", 2, "f2")] {
        let locked = format!("SELECT FROM saga WHERE id = '{name}' FOR UPDATE SKIP LOCKED");
        if !client.query(&locked, &[]).await.unwrap().is_empty() {
            store.append(migration(name, seq, fingerprint)).await.unwrap();
            migrated.push((name, definition(fingerprint)));
        }
    }
    assert_eq!(migrated.len(), 1, "{migrated:?}");
    client.batch_execute("SELECT pg_advisory_unlock(7)").await.unwrap();
    let claimed = claiming.await.unwrap().unwrap();
    assert_eq!(claimed.len(), 2);
    for claimed in claimed {
        let now = record(&store, claimed.id.as_str()).await;
        let migrated = migrated.iter().find(|(name, _)| claimed.id.as_str() == *name);
        assert_eq!(claimed, now);
        assert!(migrated.is_none_or(|(_, new)| definition_of(&now) == *new));
    }
}

/// Sagas are found and changed one after the other, and each change of an owner waits for a lock.
const WAITS_BEFORE_THE_FIRST: &str = "
    CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        PERFORM pg_advisory_lock(7); PERFORM pg_advisory_unlock(7); RETURN NEW; END $$;
    CREATE TRIGGER waits BEFORE UPDATE ON saga FOR EACH ROW WHEN (OLD.owner <> NEW.owner) EXECUTE FUNCTION wait();
    DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET enable_hashjoin = off', current_database());
        EXECUTE format('ALTER DATABASE %I SET enable_mergejoin = off', current_database());
        EXECUTE format('ALTER DATABASE %I SET enable_seqscan = off', current_database());
    END $$";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_definition_is_rolled_back_with_the_rows_of_the_user() {
    let url = database();
    let store = options(&url).connect().await.unwrap();
    create(&store, &["a"]).await;
    let before = record(&store, "a").await;
    let Held { work, begun: _begun, end } = held(Err("no"));
    end.send(()).unwrap();
    let refused = store.append_with(migration("a", 2, "f2"), work).await;
    assert_eq!(refused, Err(StoreError::RolledBack { saga: id("a"), why: "no".to_string() }));
    assert_eq!(record(&store, "a").await, before);
    assert_eq!(entries(&store, "a").await, 1);
    for (seq, epoch, expected) in
        [(2, 7, Err(StoreError::Fenced { saga: id("a") })), (2, 1, Ok(()))]
    {
        // the work of a fenced append does not run
        let Held { work, begun: _begun, end } = held(Ok(()));
        end.send(()).unwrap();
        let append = Append { epoch, ..migration("a", seq, "f2") };
        assert_eq!(store.append_with(append, work).await, expected);
    }
    assert_eq!(definition_of(&record(&store, "a").await), definition("f2"));
}

/// A version that no saga has is marked, and removed later, by any worker.
#[tokio::test]
async fn a_version_that_was_marked_or_removed_is_stored_again() {
    let url = database();
    let (client, store) = (client(&url).await, options(&url).connect().await.unwrap());
    create(&store, &["a", "b"]).await;
    store.append(migration("a", 2, "f2")).await.unwrap();
    store.append(migration("a", 3, "f3")).await.unwrap();
    let marked =
        "UPDATE saga_version SET retired_at = now() - interval '2 hours' WHERE fingerprint = 'f2'";
    assert_eq!(client.execute(marked, &[]).await.unwrap(), 1);
    store.append(migration("a", 4, "f2")).await.unwrap();
    let there = "SELECT count(*) FROM saga_version WHERE fingerprint = 'f2' AND retired_at IS NULL";
    assert_eq!(client.query_one(there, &[]).await.unwrap().get::<_, i64>(0), 1);
    // the first definition, which this store has created sagas of
    store.append(migration("b", 2, "f2")).await.unwrap();
    let removed = "DELETE FROM saga_version WHERE fingerprint = 'f1'";
    assert_eq!(client.execute(removed, &[]).await.unwrap(), 1);
    store.append(migration("a", 5, "f1")).await.unwrap();
    create(&store, &["c"]).await;
    assert_eq!(definition_of(&record(&store, "a").await), definition("f1"));
    assert_eq!(definition_of(&record(&store, "b").await), definition("f2"));
    let versions = store.versions().await.unwrap();
    let counts = versions.iter().map(|v| (v.fingerprint.as_str(), v.unfinished));
    assert_eq!(counts.collect::<Vec<_>>(), [("f1", 2), ("f2", 1)]);
    assert_eq!(record(&store, "c").await.dag, new_saga("c").record.dag);
}
