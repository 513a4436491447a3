//! A service behind the barrier, against a network that repeats, delays and reorders calls; and the same
//! service without the barrier.
#![cfg(feature = "sqlite")]

mod network;

use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use saga_core::FencingToken;
use saga_core::barrier::{self, BarrierError};
use saga_core::store::rusqlite::{Connection, Transaction};

use self::network::{Barrier, KeyOnly, Service, World};

fn token(epoch: u64, seq: u64) -> FencingToken {
    FencingToken { epoch, seq }
}

fn database() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch("CREATE TABLE effect (n INTEGER NOT NULL)").unwrap();
    barrier::install(&conn).unwrap();
    barrier::install(&conn).unwrap();
    conn
}

fn add(tx: &Transaction<'_>) -> Result<i64, String> {
    tx.execute("INSERT INTO effect VALUES (1)", []).unwrap();
    Ok(tx.last_insert_rowid())
}

fn fails(tx: &Transaction<'_>) -> Result<i64, String> {
    add(tx)?;
    Err("no".to_string())
}

fn remove(tx: &Transaction<'_>, row: i64) -> Result<(), String> {
    match tx.execute("DELETE FROM effect WHERE rowid = ?1", [row]).unwrap() {
        1 => Ok(()),
        _ => Err("there is nothing to undo".to_string()),
    }
}

fn effects(conn: &Connection) -> i64 {
    conn.query_row("SELECT count(*) FROM effect", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_repeated_do_gives_the_same_result_also_after_the_undo() {
    let mut conn = database();
    let first = barrier::once(&mut conn, "k", token(1, 1), add).unwrap();
    assert_eq!(barrier::once(&mut conn, "k", token(1, 1), add).unwrap(), first);
    assert_eq!(barrier::once(&mut conn, "k", token(2, 3), fails).unwrap(), first);
    assert_eq!(effects(&conn), 1);
    barrier::undo(&mut conn, "k", token(2, 5), remove).unwrap();
    barrier::undo(&mut conn, "k", token(2, 5), remove).unwrap();
    assert_eq!(effects(&conn), 0);
    assert_eq!(barrier::once(&mut conn, "k", token(2, 6), add).unwrap(), first);
    assert_eq!(effects(&conn), 0, "it was not done again");
    let other = barrier::once(&mut conn, "other", token(1, 1), add).unwrap();
    assert_eq!((other, effects(&conn)), (1, 1), "keys have nothing to do with each other");
}

/// Acceptance case 33, with the barrier and without.
#[test]
fn a_do_that_comes_after_an_undo_that_found_nothing_is_refused() {
    for late in [token(1, 2), token(1, 4), token(9, 9)] {
        let mut conn = database();
        barrier::undo(&mut conn, "k", token(1, 4), remove).unwrap();
        let error = barrier::once(&mut conn, "k", late, add).unwrap_err();
        let expected = match late < token(1, 4) {
            true => {
                "call k is late: its token is 1.2, but a later call with token 1.4 has already arrived"
            }
            false => "call k was undone before it arrived",
        };
        assert_eq!(error.to_string(), expected);
        assert_eq!(effects(&conn), 0);
    }
    let mut service = KeyOnly::new();
    service.undo("k", token(1, 4)).unwrap();
    service.act("k", token(1, 2), false).unwrap();
    assert_eq!(service.effects(), 1, "without it, the effect is there after its undo");
}

#[test]
fn calls_with_an_older_token_are_refused() {
    let mut conn = database();
    let error = barrier::once(&mut conn, "k", token(2, 3), fails).unwrap_err();
    assert!(matches!(&error, BarrierError::Work(why) if why == "no"), "{error}");
    assert_eq!(effects(&conn), 0, "what failed is rolled back");
    let highest = token(2, 3);
    for late in [token(1, 9), token(2, 2)] {
        let done = barrier::once(&mut conn, "k", late, add);
        assert!(
            matches!(done, Err(BarrierError::Stale { highest: h, .. }) if h == highest),
            "{late:?}"
        );
        let undone = barrier::undo(&mut conn, "k", late, remove);
        assert!(matches!(undone, Err(BarrierError::Stale { highest: h, .. }) if h == highest));
    }
    barrier::once(&mut conn, "k", token(2, 3), add).unwrap();
    assert_eq!(effects(&conn), 1, "the same call again is welcome");
    let no = |_: &Transaction<'_>, _: i64| Err("not now".to_string());
    assert!(matches!(barrier::undo(&mut conn, "k", token(2, 4), no), Err(BarrierError::Work(_))));
    assert!(matches!(
        barrier::once(&mut conn, "k", token(2, 3), add),
        Err(BarrierError::Stale { .. })
    ));
    barrier::undo(&mut conn, "k", token(2, 4), remove).unwrap();
    assert_eq!(effects(&conn), 0);
}

#[test]
fn mistakes_of_the_service_are_reported() {
    let mut conn = database();
    barrier::once(&mut conn, "k", token(1, 1), add).unwrap();
    let other = barrier::once(&mut conn, "k", token(1, 1), |_| Ok::<_, String>("text".to_string()));
    assert_eq!(other.unwrap_err().to_string(), "the result of call k is stored as another type");
    let ended = barrier::once(&mut conn, "l", token(1, 1), |tx| {
        tx.execute_batch("COMMIT").map_err(|e| e.to_string())
    });
    assert!(matches!(ended, Err(BarrierError::Ended { .. })), "{ended:?}");
    // the row of the key is there, and has no result
    barrier::once(&mut conn, "n", token(1, 1), fails).unwrap_err();
    let ended = barrier::once(&mut conn, "n", token(1, 1), |tx| {
        tx.execute_batch("ROLLBACK").map_err(|e| e.to_string())
    });
    assert!(matches!(ended, Err(BarrierError::Ended { .. })), "{ended:?}");
    let n = barrier::once(&mut conn, "n", token(1, 1), |_| Ok::<_, String>(7)).unwrap();
    assert_eq!(n, 7, "no result was written where there is none");
    let large = barrier::once(&mut conn, "m", token(u64::MAX, 1), add);
    assert!(matches!(large, Err(BarrierError::Token { .. })), "{large:?}");
    assert_eq!(effects(&conn), 1);
}

/// Reads back as nothing.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Forgets {
    #[serde(skip_serializing)]
    _n: u64,
}

#[test]
fn a_result_is_returned_as_it_was_stored() {
    let mut conn = database();
    for _ in 0..2 {
        // JSON has one `null`
        let some = |tx: &Transaction<'_>| add(tx).map(|_| Some(()));
        assert_eq!(barrier::once(&mut conn, "k", token(1, 1), some).unwrap(), None);
    }
    let lost = barrier::once(&mut conn, "l", token(1, 1), |tx| add(tx).map(|_| f64::NAN));
    let error = lost.unwrap_err().to_string();
    assert!(error.contains("result of call l does not serialize: the value is NaN"), "{error}");
    let forgets = |tx: &Transaction<'_>| add(tx).map(|_| Forgets { _n: 1 });
    let lost = barrier::once(&mut conn, "m", token(1, 1), forgets);
    assert_eq!(lost.unwrap_err().to_string(), "the result of call m cannot be read back");
    assert_eq!(effects(&conn), 1, "what has no result was not done");
}

#[test]
fn calls_of_one_key_at_the_same_time_are_done_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("service.db");
    let open = || {
        let conn = Connection::open(&file).unwrap();
        conn.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
        conn
    };
    open().execute_batch("CREATE TABLE effect (n INTEGER NOT NULL)").unwrap();
    barrier::install(&open()).unwrap();
    let worked = AtomicU32::new(0);
    let results = std::thread::scope(|scope| {
        let call = || {
            let work = |tx: &Transaction<'_>| {
                worked.fetch_add(1, Ordering::Relaxed);
                add(tx)
            };
            barrier::once(&mut open(), "k", token(1, 1), work).unwrap()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(call)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(results, [1; 8]);
    assert_eq!((worked.into_inner(), effects(&open())), (1, 1));
}

proptest! {
    #[test]
    fn over_any_network_the_saga_ends_with_all_or_nothing(choices: Vec<u8>) {
        World::new(Barrier::new(), &choices).run().map_err(TestCaseError::fail)?;
    }
}

#[test]
fn without_the_barrier_the_same_network_breaks_the_same_sagas() {
    let breaks = |choices: &Vec<u8>| World::new(KeyOnly::new(), choices).run().is_err();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let found = (0..1000).filter(|_| {
        let choices = any::<Vec<u8>>().new_tree(&mut runner).unwrap().current();
        breaks(&choices)
    });
    assert!(found.count() > 0, "the test cannot tell a service with the barrier from one without");
}
