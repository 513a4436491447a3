//! Appends that commit rows of the user in the same transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::Transaction;
use saga_core::log::{NodeEntry, Payload};
use saga_core::store::{
    Aad, CodecError, Created, EncodedStore, MemoryStore, NewDefinition, PayloadCodec,
    TransactionWork,
};

use super::*;

type Outcome = Result<Option<Payload>, StoreError>;

fn work(work: impl FnOnce(&Transaction<'_>) -> Outcome + Send + 'static) -> TransactionWork {
    TransactionWork::sqlite(Box::new(work))
}

/// Writes a row and gives an output.
fn insert(tx: &Transaction<'_>, n: i64) -> Outcome {
    tx.execute("INSERT INTO theirs VALUES (?1)", [n]).unwrap();
    Ok(Some(Payload::from(n.to_string().as_bytes())))
}

fn rolled_back(name: &str, why: &str) -> StoreError {
    StoreError::RolledBack { saga: id(name), why: why.to_string() }
}

async fn place_with(names: &[&str]) -> (Place, SqliteStore) {
    let place = Place::new();
    place.connection().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let store = place.open();
    create(&store, names).await;
    (place, store)
}

fn rows(place: &Place) -> Vec<i64> {
    let conn = place.connection();
    let mut select = conn.prepare("SELECT x FROM theirs ORDER BY x").unwrap();
    select.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn rows_and_entry_are_one_commit() {
    let (place, store) = place_with(&["a"]).await;
    let before = store.stats();
    let done = store.append_with(append("a", 2, b""), work(|tx| insert(tx, 7))).await;
    assert_eq!(done, Ok(()));
    let stored = store.load(&id("a")).await.unwrap().unwrap();
    assert_eq!(
        stored.entries[1].node_entry(),
        Some(&NodeEntry::Succeeded(Payload::from(&b"7"[..])))
    );
    assert_eq!(stored.record.next_seq, 3);
    assert_eq!(rows(&place), [7]);
    let after = store.stats();
    assert_eq!((after.transactions, after.appends), (before.transactions + 1, before.appends + 1));

    let keep = work(|tx| insert(tx, 8).map(|_| None));
    assert_eq!(store.append_with(append("a", 3, b"as given"), keep).await, Ok(()));
    let stored = store.load(&id("a")).await.unwrap().unwrap();
    assert_eq!(
        stored.entries[2].node_entry(),
        Some(&NodeEntry::Succeeded(Payload::from(&b"as given"[..])))
    );
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
            insert(tx, 1)
        });
        let saga = append.saga.clone();
        let expected = match saga.as_str() {
            "a" => StoreError::Fenced { saga },
            _ => StoreError::NotFound { saga },
        };
        assert_eq!(store.append_with(append, counted).await, Err(expected));
    }
    assert_eq!((ran.load(Ordering::Relaxed), rows(&place)), (0, vec![]));
}

#[tokio::test]
async fn work_that_fails_or_panics_leaves_nothing() {
    let (place, store) = place_with(&["a"]).await;
    let declined = rolled_back("a", "no");
    let answer = declined.clone();
    let declines = work(move |tx| insert(tx, 1).and(Err(answer)));
    assert_eq!(store.append_with(append("a", 2, b""), declines).await, Err(declined));
    let panics = work(|tx| insert(tx, 2).map(|_| panic!("in the work")));
    let panicked = Err(rolled_back("a", "the action's work panicked"));
    assert_eq!(store.append_with(append("a", 2, b""), panics).await, panicked);
    assert_eq!((rows(&place), entries(&store, "a").await), (vec![], 1));
    assert_eq!(store.append_with(append("a", 2, b""), work(|tx| insert(tx, 3))).await, Ok(()));
    assert_eq!((rows(&place), entries(&store, "a").await), (vec![3], 2));
}

#[tokio::test]
async fn a_definition_is_rolled_back_with_the_rows_of_the_user() {
    let (place, store) = place_with(&["a", "b"]).await;
    let migration = |name: &str, seq, fingerprint: &str| {
        let (params, dag) = (Payload::from(&b"new"[..]), Payload::from(&b"new"[..]));
        let mut append = append(name, seq, b"x");
        let definition = NewDefinition { fingerprint: fingerprint.into(), params, dag };
        append.change.definition = Some(Box::new(definition));
        append
    };
    let declined = rolled_back("a", "no");
    let answer = declined.clone();
    let declines = work(move |tx| insert(tx, 1).and(Err(answer)));
    assert_eq!(store.append_with(migration("a", 2, "f2"), declines).await, Err(declined));
    let before = store.load(&id("a")).await.unwrap().unwrap();
    assert_eq!((&*before.record.fingerprint, before.entries.len()), ("f1", 1));
    // the number of the definition that was rolled back is used again
    store.append(migration("b", 2, "f3")).await.unwrap();
    let inserts = work(|tx| insert(tx, 2));
    assert_eq!(store.append_with(migration("a", 2, "f2"), inserts).await, Ok(()));
    for (name, fingerprint) in [("a", "f2"), ("b", "f3")] {
        let record = store.load(&id(name)).await.unwrap().unwrap().record;
        assert_eq!((&*record.fingerprint, record.params.as_bytes()), (fingerprint, &b"new"[..]));
    }
    assert_eq!(rows(&place), [2]);
    // the first definition is gone with its last saga
    let stored = "SELECT group_concat(fingerprint) FROM \
        (SELECT fingerprint FROM saga_definition ORDER BY fingerprint)";
    let stored: String = place.connection().query_row(stored, [], |row| row.get(0)).unwrap();
    assert_eq!(stored, "f2,f3");
}

#[tokio::test]
async fn work_can_neither_end_the_transaction_nor_touch_the_log() {
    let (place, store) = place_with(&["a"]).await;
    let forbidden = [
        "COMMIT",
        "END",
        "ROLLBACK",
        "BEGIN",
        "ATTACH ':memory:' AS other",
        "PRAGMA query_only = ON",
        "PRAGMA synchronous = OFF",
        "DELETE FROM saga_log",
        "DROP VIEW saga_event",
        "UPDATE Saga SET epoch = 9",
        "INSERT INTO main.saga_worker VALUES ('w', 's', 1)",
        "DROP TABLE saga_command",
        "ALTER TABLE saga_meta RENAME TO mine",
        "CREATE TRIGGER mine AFTER INSERT ON saga_log BEGIN DELETE FROM theirs; END",
    ];
    let tried = work(move |tx| {
        for sql in forbidden {
            let e = tx.execute_batch(sql).expect_err(sql).to_string();
            assert!(e.starts_with("not authorized"), "{sql}: {e}");
        }
        tx.execute_batch("SAVEPOINT mine; INSERT INTO theirs VALUES (1); ROLLBACK TO mine")
            .unwrap();
        tx.query_row("SELECT count(*) FROM saga_event", [], |row| row.get::<_, i64>(0)).unwrap();
        tx.execute_batch("CREATE TABLE more (x); PRAGMA defer_foreign_keys = ON").unwrap();
        insert(tx, 2)
    });
    assert_eq!(store.append_with(append("a", 2, b""), tried).await, Ok(()));
    assert_eq!((rows(&place), entries(&store, "a").await), (vec![2], 2));
    assert_eq!(store.append(append("a", 3, b"ok")).await, Ok(()), "the store itself may");
}

#[tokio::test]
async fn every_table_of_the_store_is_out_of_reach() {
    for prefix in ["", "shop_"] {
        let place = Place::new();
        let store = match prefix {
            "" => place.open(),
            prefix => SqliteStore::open_with_prefix(&place.path, prefix).unwrap(),
        };
        let conn = place.connection();
        let mut select =
            conn.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
        let tables = select.query_map([], |row| row.get::<_, String>(0)).unwrap();
        let tables = tables.collect::<Result<Vec<_>, _>>().unwrap();
        assert!(tables.len() > 4 && tables.iter().all(|table| table.starts_with(prefix)));
        place.connection().execute_batch("CREATE TABLE theirs (x)").unwrap();
        create(&store, &["a"]).await;
        let tried = work(move |tx| {
            for table in tables {
                let sql = format!("DELETE FROM {table}");
                let e = tx.execute_batch(&sql).expect_err(&sql).to_string();
                assert!(e.starts_with("not authorized"), "{sql}: {e}");
            }
            insert(tx, 1)
        });
        assert_eq!(store.append_with(append("a", 2, b""), tried).await, Ok(()));
        assert_eq!((rows(&place), entries(&store, "a").await), (vec![1], 2));
    }
}

#[tokio::test]
async fn nothing_is_committed_after_a_statement_that_rolled_all_back() {
    let (place, store) = place_with(&["a"]).await;
    place.connection().execute_batch("CREATE TABLE one (x PRIMARY KEY)").unwrap();
    let work = work(|tx| {
        insert(tx, 1)?;
        tx.execute("INSERT INTO one VALUES (1)", []).unwrap();
        tx.execute("INSERT OR ROLLBACK INTO one VALUES (1)", []).unwrap_err();
        // each of these would be a transaction of its own
        tx.execute("INSERT INTO theirs VALUES (2)", []).unwrap_err();
        Ok(None)
    });
    let e = store.append_with(append("a", 2, b""), work).await.unwrap_err();
    let why = "one of the action's statements ended the transaction; do not use `OR ROLLBACK`";
    assert_eq!(e, rolled_back("a", why));
    assert_eq!((rows(&place), entries(&store, "a").await), (vec![], 1));
}

#[tokio::test]
async fn a_constraint_that_breaks_at_the_commit_harms_nobody_else() {
    let (place, store) = place_with(&["a", "b", "c"]).await;
    let tables = "CREATE TABLE parent (id PRIMARY KEY);
        CREATE TABLE child (p REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)";
    place.connection().execute_batch(tables).unwrap();
    // all three wait together
    let other = place.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let breaks = work(|tx| {
        tx.execute("INSERT INTO child VALUES (7)", []).unwrap();
        insert(tx, 1)
    });
    let shared = store.clone();
    let shared = tokio::spawn(async move { shared.append(append("b", 2, b"ok")).await });
    let innocent = store.clone();
    let innocent =
        async move { innocent.append_with(append("c", 2, b""), work(|tx| insert(tx, 2))).await };
    let breaking = tokio::spawn({
        let store = store.clone();
        async move { store.append_with(append("a", 2, b""), breaks).await }
    });
    let innocent = tokio::spawn(innocent);
    tokio::time::sleep(Duration::from_millis(200)).await;
    other.execute_batch("ROLLBACK").unwrap();

    let e = breaking.await.unwrap().unwrap_err();
    assert_eq!(e, rolled_back("a", "FOREIGN KEY constraint failed"));
    assert_eq!((shared.await.unwrap(), innocent.await.unwrap()), (Ok(()), Ok(())));
    assert_eq!(rows(&place), [2]);
    assert_eq!(store.append(append("a", 2, b"ok")).await, Ok(()), "the store goes on");
}

#[tokio::test]
async fn other_stores_say_that_they_have_no_transactions() {
    let store = MemoryStore::new();
    assert!(matches!(store.create(new_saga("a")).await, Ok(Created::New)));
    let e = store.append_with(append("a", 2, b""), work(|tx| insert(tx, 1))).await;
    assert_eq!(e, Err(StoreError::NoTransactions));
    let (place, writer) = place_with(&["a"]).await;
    let reader = SqliteStore::attach(&place.path).unwrap();
    let e = reader.append_with(append("a", 2, b""), work(|tx| insert(tx, 1))).await.unwrap_err();
    assert!(e.to_string().contains("attached for reading"), "{e}");
    drop(writer);
}

struct Reversed;

impl PayloadCodec for Reversed {
    fn encode(&self, plain: &[u8], _: &Aad<'_>) -> Result<Vec<u8>, CodecError> {
        Ok(plain.iter().rev().copied().collect())
    }

    fn decode(&self, stored: &[u8], aad: &Aad<'_>) -> Result<Vec<u8>, CodecError> {
        self.encode(stored, aad)
    }
}

#[tokio::test]
async fn an_output_is_encoded_on_its_way_in() {
    let (place, store) = place_with(&[]).await;
    let store = EncodedStore::new(store, Reversed);
    assert!(matches!(store.create(new_saga("a")).await, Ok(Created::New)));
    store.append_with(append("a", 2, b""), work(|tx| insert(tx, 123))).await.unwrap();
    let outer = store.load(&id("a")).await.unwrap().unwrap();
    assert_eq!(
        outer.entries[1].node_entry(),
        Some(&NodeEntry::Succeeded(Payload::from(&b"123"[..])))
    );
    let inner = store.inner().load(&id("a")).await.unwrap().unwrap();
    assert_eq!(
        inner.entries[1].node_entry(),
        Some(&NodeEntry::Succeeded(Payload::from(&b"321"[..])))
    );
    assert_eq!(rows(&place), [123]);
}
