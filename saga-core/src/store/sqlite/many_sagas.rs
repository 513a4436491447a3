//! That a million ended sagas cost those that run nothing: the work of each statement is counted,
//! not timed.

use rusqlite::{Connection, StatementStatus};

use super::super::WorkerId;
use super::database::{Database, Prefix};
use super::reads::{self, versions_sql};
use super::requests::{self, WAITING};
use super::writes::{self, claim_sql, release_sql};

const ENDED: u32 = 1_000_000;

/// More than any statement below needs for its few rows, and far less than for a million.
const FEW_STEPS: i32 = 5_000;

/// A million ended sagas with answered requests; ten that run, with one waiting request each.
fn database() -> Database {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(include_str!("schema_1.sql")).unwrap();
    // Ids in order are inserted fastest.
    conn.execute_batch(&format!(
        "BEGIN;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ENDED})
         INSERT INTO saga (id, birth, name, fingerprint, status, owner, epoch, next_seq, attempts,
             paused, created_at, updated_at)
         SELECT printf('e%07d', i), '', 's', 'f', 'completed', 'w', 1, 2, 1, 0, i, i
         FROM n;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ENDED} / 10)
         INSERT INTO saga_command (id, saga_id, kind, args, \"by\", at, answer)
         SELECT printf('e%07d', i), printf('e%07d', i), 'pause', X'', '', i, X'' FROM n;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10)
         INSERT INTO saga (id, birth, name, fingerprint, status, owner, epoch, next_seq, attempts,
             paused, created_at, updated_at)
         SELECT printf('r%d', i), printf('%032x', i), 's', 'f', 'running', 'w', 1, 2, 1, 0, i, i
         FROM n;
         INSERT INTO saga_input SELECT number, X'', X'' FROM saga;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10)
         INSERT INTO saga_command (id, saga_id, kind, args, \"by\", at)
         SELECT printf('%032x', i), printf('r%d', i), 'pause',
             CAST('{{\"command\":\"pause\"}}' AS BLOB), 'ann', i FROM n;
         COMMIT;"
    ))
    .unwrap();
    Database::new(conn, Prefix::default())
}

/// Runs the work, and asserts that the cached statement behind it took few steps and scanned
/// nothing but `scans` rows of a small index.
fn costs_little<T>(conn: &Database, sql: &str, scans: i32, work: impl FnOnce() -> T) -> T {
    conn.flush_prepared_statement_cache();
    let value = work();
    let statement = conn.prepare_cached(sql).unwrap();
    let steps = statement.get_status(StatementStatus::VmStep);
    let scanned = statement.get_status(StatementStatus::FullscanStep);
    assert!((1..FEW_STEPS).contains(&steps), "{steps} steps for {sql}");
    assert!(scanned <= scans, "{scanned} rows scanned for {sql}");
    value
}

#[test]
fn a_million_ended_sagas_slow_nothing_down() {
    let conn = database();
    let versions = costs_little(&conn, &versions_sql(), 50, || reads::versions(&conn).unwrap());
    assert_eq!(versions.iter().map(|version| version.unfinished).collect::<Vec<_>>(), [10]);

    let waiting = costs_little(&conn, WAITING, 50, || requests::waiting(&conn, 100).unwrap());
    assert_eq!(waiting.len(), 10);

    let two = WorkerId::from("two");
    let claimed = costs_little(&conn, &claim_sql(), 50, || {
        writes::claim(&conn, &two, r#"["f"]"#, 100).unwrap()
    });
    assert_eq!(claimed.len(), 10);

    // The ended ones keep their owner: nobody asks for it.
    let one = WorkerId::from("w");
    costs_little(&conn, &release_sql(), 50, || writes::release(&conn, &one).unwrap());
    costs_little(&conn, &release_sql(), 50, || writes::release(&conn, &two).unwrap());
    let claimed = writes::claim(&conn, &two, r#"["f"]"#, 100).unwrap();
    assert_eq!(claimed.iter().filter(|record| record.attempts == 1).count(), 10);

    let purge = super::super::Purge {
        ended_before: crate::log::Timestamp(u64::MAX),
        statuses: Vec::new(),
        limit: 10,
    };
    let gone =
        costs_little(&conn, writes::PURGE, 50, || writes::purge(&conn, &purge, i64::MAX).unwrap());
    assert_eq!(gone, 10);
}

#[test]
fn the_count_would_see_a_scan() {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(
        "CREATE TABLE t (x);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
         INSERT INTO t SELECT i FROM n",
    )
    .unwrap();
    let scan = "SELECT count(*) FROM t WHERE x = 0";
    let mut statement = conn.prepare(scan).unwrap();
    statement.query_row([], |row| row.get::<_, i64>(0)).unwrap();
    assert!(statement.get_status(StatementStatus::VmStep) > FEW_STEPS);
    assert!(statement.get_status(StatementStatus::FullscanStep) > 50);
}
