//! Appends that commit rows of the user in the same transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::BoxFuture;
use saga_core::log::{NodeEntry, Payload};
use saga_core::store::tokio_postgres::Transaction;
use saga_core::store::{
    Append, EncodedStore, MemoryStore, PostgresStore, Store, StoreError, TransactionWork, WorkerId,
};

use throwaway_postgres::ThrowawayPostgres;

use super::*;
use crate::conformance::Bound;
use crate::samples::*;

type Outcome = Result<Option<Payload>, StoreError>;

fn work(
    work: impl for<'t> FnOnce(&'t Transaction<'t>) -> BoxFuture<'t, Outcome> + Send + 'static,
) -> TransactionWork {
    TransactionWork::postgres(Box::new(work))
}

/// Executes statements, all of which succeed.
fn sql(statements: &'static str) -> TransactionWork {
    work(move |tx| {
        Box::pin(async move {
            tx.batch_execute(statements).await.unwrap();
            Ok(None)
        })
    })
}

/// Writes a row and gives an output.
async fn insert(tx: &Transaction<'_>, n: i64) -> Outcome {
    tx.execute("INSERT INTO theirs VALUES ($1)", &[&n]).await.unwrap();
    Ok(Some(Payload::from(n.to_string().as_bytes())))
}

fn inserts(n: i64) -> TransactionWork {
    work(move |tx| Box::pin(insert(tx, n)))
}

fn rolled_back(name: &str, why: &str) -> StoreError {
    StoreError::RolledBack { saga: id(name), why: why.to_string() }
}

struct Place {
    url: TestDatabase,
    client: Client,
}

impl Place {
    async fn rows(&self) -> Vec<i64> {
        rows(&self.client).await
    }
}

async fn rows(client: &Client) -> Vec<i64> {
    let rows = client.query("SELECT x FROM theirs ORDER BY x", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn place_with(names: &[&str]) -> (Place, PostgresStore) {
    let url = database();
    let (client, store) = place_at(&url, names).await;
    (Place { url, client }, store)
}

async fn place_at(url: &str, names: &[&str]) -> (Client, PostgresStore) {
    let client = client(url).await;
    client.batch_execute("CREATE TABLE theirs (x bigint)").await.unwrap();
    let store = options(url).statement_timeout(Duration::from_secs(2)).connect().await.unwrap();
    create(&store, names).await;
    (client, store)
}

async fn output(store: &impl Store, name: &str, place: usize) -> Payload {
    let stored = store.load(&id(name)).await.unwrap().unwrap();
    match stored.entries[place].node_entry() {
        Some(NodeEntry::Succeeded(output)) => output.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn rows_and_entry_are_one_commit() {
    let (place, store) = place_with(&["a"]).await;
    assert_eq!(store.append_with(append("a", 2, b""), inserts(7)).await, Ok(()));
    assert_eq!(output(&store, "a", 1).await, Payload::from(&b"7"[..]));
    assert_eq!(store.load(&id("a")).await.unwrap().unwrap().record.next_seq, 3);
    assert_eq!(place.rows().await, [7]);
    let same = "SELECT count(DISTINCT xmin::text) FROM (SELECT xmin FROM theirs UNION ALL \
        SELECT xmin FROM saga_log WHERE first_seq = 2) AS writes";
    let same: i64 = place.client.query_one(same, &[]).await.unwrap().get(0);
    assert_eq!(same, 1);
    let keeps = work(|tx| Box::pin(async move { insert(tx, 8).await.map(|_| None) }));
    assert_eq!(store.append_with(append("a", 3, b"as given"), keeps).await, Ok(()));
    assert_eq!(output(&store, "a", 2).await, Payload::from(&b"as given"[..]));
}

#[tokio::test]
async fn fenced_work_does_not_run() {
    let (place, store) = place_with(&["a"]).await;
    let ran = Arc::new(AtomicU32::new(0));
    let stale = [
        Append { epoch: 7, ..append("a", 2, b"") },
        Append { owner: WorkerId::from("two"), ..append("a", 2, b"") },
        append("a", 3, b""),
        append("gone", 2, b""),
    ];
    for append in stale {
        let runs = ran.clone();
        let counted = work(move |tx| {
            runs.fetch_add(1, Ordering::Relaxed);
            Box::pin(insert(tx, 1))
        });
        let saga = append.saga.clone();
        let expected = match saga.as_str() {
            "a" => StoreError::Fenced { saga },
            _ => StoreError::NotFound { saga },
        };
        assert_eq!(store.append_with(append, counted).await, Err(expected));
    }
    assert_eq!((ran.load(Ordering::Relaxed), place.rows().await), (0, vec![]));
}

#[tokio::test]
async fn work_that_fails_or_panics_leaves_nothing() {
    let (place, store) = place_with(&["a"]).await;
    let declined = rolled_back("a", "no");
    let answer = declined.clone();
    let declines = work(move |tx| Box::pin(async move { insert(tx, 1).await.and(Err(answer)) }));
    assert_eq!(store.append_with(append("a", 2, b""), declines).await, Err(declined));
    let panics = work(|tx| Box::pin(async move { insert(tx, 2).await.map(|_| panic!("oh")) }));
    let panicked = store.append_with(append("a", 2, b""), panics).await.unwrap_err().to_string();
    assert!(panicked.contains("the action's work panicked: oh"), "{panicked}");
    let panics = work(|_| panic!("at once"));
    let panicked = store.append_with(append("a", 2, b""), panics).await.unwrap_err().to_string();
    assert!(panicked.contains("the action's work panicked: at once"), "{panicked}");
    assert_eq!((place.rows().await, entries(&store, "a").await), (vec![], 1));
    assert_eq!(store.append_with(append("a", 2, b""), inserts(3)).await, Ok(()));
    assert_eq!((place.rows().await, entries(&store, "a").await), (vec![3], 2));
}

#[tokio::test]
async fn work_that_ends_the_transaction_is_refused() {
    let (place, store) = place_with(&["a"]).await;
    let ends = [
        "ROLLBACK",
        "ROLLBACK; BEGIN",
        "ROLLBACK; BEGIN; INSERT INTO theirs VALUES (1)",
        "ROLLBACK AND CHAIN",
        "INSERT INTO theirs VALUES (2); COMMIT",
        "INSERT INTO theirs VALUES (3); COMMIT; BEGIN; INSERT INTO theirs VALUES (4)",
    ];
    for statements in ends {
        let e = store.append_with(append("a", 2, b""), sql(statements)).await.unwrap_err();
        let text = e.to_string();
        assert!(text.contains("ended the transaction, which only the store may do"), "{text}");
        assert!(matches!(e, StoreError::RolledBack { .. }));
    }
    // what it committed itself is there
    assert_eq!((place.rows().await, entries(&store, "a").await), (vec![2, 3], 1));
    assert_eq!(store.append_with(append("a", 2, b""), inserts(5)).await, Ok(()));
    assert_eq!(place.rows().await, [2, 3, 5]);
}

#[tokio::test]
async fn nothing_is_committed_after_a_statement_that_failed() {
    let (place, store) = place_with(&["a"]).await;
    let hides = work(|tx| {
        Box::pin(async move {
            tx.batch_execute("SELECT 1 / 0").await.unwrap_err();
            Ok(None)
        })
    });
    let e = store.append_with(append("a", 2, b""), hides).await.unwrap_err().to_string();
    assert!(
        e.contains("one of the action's statements failed, and the transaction with it"),
        "{e}"
    );
    let goes_back = work(|tx| {
        Box::pin(async move {
            tx.batch_execute("SAVEPOINT here; INSERT INTO theirs VALUES (1)").await.unwrap();
            tx.batch_execute("SELECT 1 / 0").await.unwrap_err();
            tx.batch_execute("ROLLBACK TO here").await.unwrap();
            insert(tx, 2).await
        })
    });
    assert_eq!(store.append_with(append("a", 2, b""), goes_back).await, Ok(()));
    assert_eq!((place.rows().await, entries(&store, "a").await), (vec![2], 2));
}

#[tokio::test]
async fn what_the_work_sets_does_not_reach_the_log() {
    // a role belongs to the whole server, so this is one of its own
    let server = ThrowawayPostgres::start().unwrap();
    let (client, store) = place_at(&server.url(), &["a"]).await;
    let roles = "CREATE ROLE tenant; GRANT INSERT ON theirs TO tenant; CREATE SCHEMA empty;
        GRANT USAGE ON SCHEMA empty TO tenant";
    client.batch_execute(roles).await.unwrap();
    let sets = sql(
        "SET LOCAL ROLE tenant; INSERT INTO theirs VALUES (1); SET LOCAL search_path = empty; \
        SET LOCAL synchronous_commit = off; SET LOCAL statement_timeout = '1min'",
    );
    assert_eq!(store.append_with(append("a", 2, b""), sets).await, Ok(()));
    assert_eq!((rows(&client).await, entries(&store, "a").await), (vec![1], 2));
    let reads = work(|tx| {
        Box::pin(async move {
            for (name, expected) in [("statement_timeout", "2s"), ("role", "none")] {
                let row = tx.query_one("SELECT current_setting($1)", &[&name]).await.unwrap();
                assert_eq!(row.get::<_, &str>(0), expected);
            }
            Ok(None)
        })
    });
    assert_eq!(store.append_with(append("a", 3, b""), reads).await, Ok(()));
}

#[tokio::test]
async fn a_constraint_that_breaks_at_the_commit_rolls_back() {
    let (place, store) = place_with(&["a"]).await;
    let tables = "CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE child (p int REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)";
    place.client.batch_execute(tables).await.unwrap();
    let breaks = sql("INSERT INTO child VALUES (7); INSERT INTO theirs VALUES (1)");
    let e = store.append_with(append("a", 2, b""), breaks).await.unwrap_err();
    let StoreError::RolledBack { why, .. } = e else { panic!("{e}") };
    assert!(why.contains("violates foreign key constraint"), "{why}");
    assert_eq!((place.rows().await, entries(&store, "a").await), (vec![], 1));
    assert_eq!(store.append(append("a", 2, b"ok")).await, Ok(()));
}

/// The first connection of the store that is in a transaction is ended by the server.
const KILL: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
    WHERE application_name = 'saga-core' AND datname = current_database() AND state <> 'idle'";

#[tokio::test]
async fn a_connection_that_is_lost_before_the_commit_writes_nothing() {
    let (place, store) = place_with(&["a"]).await;
    let killer = client(&place.url).await;
    let killed = work(move |tx| {
        Box::pin(async move {
            insert(tx, 1).await?;
            assert_eq!(killer.query_one(KILL, &[]).await.unwrap().get::<_, i64>(0), 1);
            Ok(None)
        })
    });
    let e = store.append_with(append("a", 2, b""), killed).await.unwrap_err();
    assert!(matches!(e, StoreError::Failed { .. }), "{e}");
    assert_eq!((place.rows().await, entries(&store, "a").await), (vec![], 1));
    assert_eq!(store.append_with(append("a", 2, b""), inserts(2)).await, Ok(()));
}

/// A deferred trigger runs within the `COMMIT`, where it ends its own connection, or waits for longer than the store does.
#[tokio::test]
async fn a_commit_without_an_answer_is_found_out() {
    let (place, store) = place_with(&["a"]).await;
    let tables = "CREATE TABLE doom (how text);
        CREATE FUNCTION strike() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.how = 'kill' THEN PERFORM pg_terminate_backend(pg_backend_pid());
            ELSE PERFORM set_config('statement_timeout', '0', true); PERFORM pg_sleep(NEW.how::float);
            END IF; RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER strikes AFTER INSERT ON doom DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION strike()";
    place.client.batch_execute(tables).await.unwrap();
    let killed = sql("INSERT INTO theirs VALUES (1); INSERT INTO doom VALUES ('kill')");
    let e = store.append_with(append("a", 2, b""), killed).await.unwrap_err();
    assert!(matches!(e, StoreError::Failed { .. }), "{e}");
    assert_eq!((place.rows().await, entries(&store, "a").await), (vec![], 1));
    // the server sleeps for longer than the client waits, and then commits
    let slow = sql(
        "SET LOCAL statement_timeout = 0; INSERT INTO theirs VALUES (2); INSERT INTO doom VALUES ('3')",
    );
    assert_eq!(store.append_with(append("a", 2, b""), slow).await, Ok(()));
    assert_eq!((place.rows().await, entries(&store, "a").await), (vec![2], 2));
}

/// Of two workers, the second one takes the saga while the transaction of the first is open: it waits, and sees it.
#[tokio::test]
async fn whoever_takes_the_saga_sees_how_the_transaction_ended() {
    let (place, store) = place_with(&[]).await;
    let other = options(&place.url).connect().await.unwrap();
    let two = WorkerId::from("two");
    other.renew(&two).await.unwrap();
    for (name, commits) in [("a", true), ("b", false)] {
        create(&store, &[name]).await;
        let (begun, begins) = tokio::sync::oneshot::channel();
        let slow = work(move |tx| {
            Box::pin(async move {
                insert(tx, 1).await?;
                begun.send(()).unwrap();
                tx.batch_execute("SELECT pg_sleep(1)").await.unwrap();
                if commits { Ok(None) } else { Err(StoreError::NoTransactions) }
            })
        });
        let first = store.clone();
        let first =
            tokio::spawn(async move { first.append_with(append(name, 2, b""), slow).await });
        begins.await.unwrap();
        // the lease of `one` has never begun
        let claimed = other.claim(&two, &["f1".to_string()], 1).await.unwrap();
        assert!(claimed.iter().all(|record| record.id != id(name)), "a claim skips it");
        let taken = other.take(&two, &id(name)).await.unwrap().unwrap();
        assert_eq!(taken.next_seq, if commits { 3 } else { 2 });
        assert_eq!(first.await.unwrap().is_ok(), commits);
        let late = store.append_with(append(name, taken.next_seq, b""), inserts(9)).await;
        assert_eq!(late, Err(StoreError::Fenced { saga: id(name) }));
    }
    assert_eq!(place.rows().await, [1]);
}

#[tokio::test]
async fn work_that_waits_for_something_else_is_ended() {
    let (place, store) = place_with(&["a"]).await;
    let waits = work(|tx| {
        Box::pin(async move {
            insert(tx, 1).await?;
            std::future::pending::<Outcome>().await
        })
    });
    let e = store.append_with(append("a", 2, b""), waits).await.unwrap_err().to_string();
    assert!(e.contains("the server ends it when there is no statement for 2s"), "{e}");
    let locked = client(&place.url).await;
    locked.batch_execute("BEGIN; LOCK TABLE theirs").await.unwrap();
    let waits = work(|tx| {
        Box::pin(async move {
            let e = tx.execute("INSERT INTO theirs VALUES (1)", &[]).await.unwrap_err();
            Err(rolled_back("a", e.as_db_error().unwrap().message()))
        })
    });
    let e = store.append_with(append("a", 2, b""), waits).await.unwrap_err();
    assert_eq!(e, rolled_back("a", "canceling statement due to statement timeout"));
    drop(locked);
    assert_eq!(store.append_with(append("a", 2, b""), inserts(2)).await, Ok(()));
    assert_eq!(place.rows().await, [2]);
}

/// As many transactions wait as there are connections, and the lease is renewed all the same.
#[tokio::test]
async fn transactions_leave_connections_for_everything_else() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let (place, store) = place_with(&names).await;
    let locked = client(&place.url).await;
    locked.batch_execute("BEGIN; LOCK TABLE theirs").await.unwrap();
    let waiting = names.map(|name| {
        let store = store.clone();
        tokio::spawn(async move { store.append_with(append(name, 2, b""), inserts(1)).await })
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    for _ in 0..3 {
        let renewed = store.renew(&WorkerId::from("one"));
        tokio::time::timeout(Duration::from_secs(1), renewed).await.unwrap().unwrap();
    }
    locked.batch_execute("COMMIT").await.unwrap();
    store.close().await.unwrap();
    assert_eq!(place.rows().await, [1; 6], "closing waits for them");
    for append in waiting {
        assert_eq!(append.await.unwrap(), Ok(()));
    }
}

#[tokio::test]
async fn a_transaction_goes_on_if_nobody_waits_for_it() {
    let (place, store) = place_with(&["a"]).await;
    drop(store.append_with(append("a", 2, b""), inserts(1)));
    store.close().await.unwrap();
    assert_eq!((place.rows().await, entries(&store, "a").await), (vec![1], 2));
}

#[tokio::test]
async fn an_output_is_encoded_on_its_way_in() {
    let (place, store) = place_with(&[]).await;
    let store = EncodedStore::new(store, Bound);
    create(&store, &["a"]).await;
    store.append_with(append("a", 2, b""), inserts(123)).await.unwrap();
    assert_eq!(output(&store, "a", 1).await, Payload::from(&b"123"[..]));
    let inner = store.inner().load(&id("a")).await.unwrap().unwrap();
    let outer = Some(&NodeEntry::Succeeded(Payload::from(&b"123"[..])));
    assert_ne!(inner.entries[1].node_entry(), outer);
    assert_eq!(place.rows().await, [123]);
}

#[tokio::test]
async fn work_for_another_database_is_refused() {
    let (_place, store) = place_with(&["a"]).await;
    let memory = MemoryStore::new();
    create(&memory, &["a"]).await;
    let e = memory.append_with(append("a", 2, b""), inserts(1)).await;
    assert_eq!(e, Err(StoreError::NoTransactions));
    #[cfg(feature = "sqlite")]
    {
        let sqlite = || TransactionWork::sqlite(Box::new(|_| Ok(None)));
        let e = store.append_with(append("a", 2, b""), sqlite()).await;
        assert_eq!(e, Err(StoreError::NoTransactions));
        let directory = tempfile::tempdir().unwrap();
        let file = saga_core::store::SqliteStore::open(directory.path().join("sagas.db")).unwrap();
        create(&file, &["a"]).await;
        let e = file.append_with(append("a", 2, b""), inserts(1)).await.unwrap_err();
        assert_eq!(e, StoreError::NoTransactions);
        let text = e.to_string();
        assert!(text.contains("`SqliteStore`") && text.contains("`PostgresStore`"), "{text}");
    }
    assert_eq!(entries(&store, "a").await, 1);
}
