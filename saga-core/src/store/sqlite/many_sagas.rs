//! Tests that a million ended sagas do not slow down the running ones. They count the steps of each statement
//! instead of measuring time.

use std::collections::HashSet;

use rusqlite::{Connection, StatementStatus};

use super::super::table_prefix::TablePrefix;
use super::super::{ListFilter, WorkerId};
use super::claims::{self, release_sql, unfinished_sql};
use super::database::{Database, OpenDatabase};
use super::reads::{self, page_sql, versions_sql};
use super::requests::{self, WAITING};
use super::schema::MIGRATIONS;
use super::writes;
use crate::log::SagaStatus;

const ENDED: u32 = 1_000_000;

/// More steps than any statement below needs for its few rows, and far fewer than a million rows take.
const FEW_STEPS: i32 = 5_000;

/// A million sagas that have completed, with answered requests; ten running ones with one unanswered request each; and
/// three that are stuck.
fn open() -> OpenDatabase {
    let conn = Connection::open_in_memory().unwrap();
    for migration in MIGRATIONS {
        conn.execute_batch(migration).unwrap();
    }
    // Inserting ids in order is fastest.
    conn.execute_batch(&format!(
        "BEGIN;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ENDED})
         INSERT INTO saga (id, definition, status, owner, epoch, next_seq, attempts,
             paused, created_at, updated_at, ended_at)
         SELECT printf('e%07d', i), 1, 'completed', 'w', 1, 2, 1, 0, i, i, i
         FROM n;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ENDED} / 10)
         INSERT INTO saga_command (id, saga_id, kind, args, \"by\", at, answer)
         SELECT printf('e%07d', i), printf('e%07d', i), 'pause', X'', '', i, X'' FROM n;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10)
         INSERT INTO saga (id, definition, status, owner, epoch, next_seq, attempts,
             paused, created_at, updated_at)
         SELECT printf('r%d', i), 1, 'running', 'w', 1, 2, 1, 0, i, i
         FROM n;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3)
         INSERT INTO saga (id, definition, status, epoch, next_seq, attempts,
             paused, created_at, updated_at, ended_at)
         SELECT printf('s%d', i), 1, 'stuck', 1, 2, 1, 0, i, i, i
         FROM n;
         INSERT INTO saga_input SELECT number, printf('%032x', number), X'' FROM saga;
         INSERT INTO saga_definition (fingerprint, name, dag) VALUES ('f', 's', X'');
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10)
         INSERT INTO saga_command (id, saga_id, kind, args, \"by\", at)
         SELECT printf('%032x', i), printf('r%d', i), 'pause',
             CAST('{{\"command\":\"pause\"}}' AS BLOB), 'ann', i FROM n;
         COMMIT;"
    ))
    .unwrap();
    OpenDatabase { conn, prefix: TablePrefix::default() }
}

/// Runs the work, and asserts that the cached statement behind it took few steps and scanned at most `scans`
/// rows, those of a small index.
fn assert_cheap<T>(conn: &Database, sql: &str, scans: i32, work: impl FnOnce() -> T) -> T {
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
fn a_million_ended_sagas_do_not_slow_down_any_statement() {
    let open = open();
    let conn = open.database();
    let versions = assert_cheap(&conn, &versions_sql(), 50, || reads::versions(&conn).unwrap());
    assert_eq!(versions.iter().map(|version| version.unfinished).collect::<Vec<_>>(), [10]);

    let waiting = assert_cheap(&conn, WAITING, 50, || requests::waiting(&conn, 100).unwrap());
    assert_eq!(waiting.len(), 10);

    for status in
        [SagaStatus::Running, SagaStatus::Stuck, SagaStatus::RolledBack, SagaStatus::Completed]
    {
        let filter = ListFilter { statuses: vec![status], limit: 10, ..ListFilter::default() };
        let listed = assert_cheap(&conn, &page_sql(Some(status)), 50, || {
            reads::list(&conn, &filter).unwrap()
        });
        let expected = match status {
            SagaStatus::Stuck => 3,
            SagaStatus::RolledBack => 0,
            _ => 10,
        };
        assert_eq!(listed.len(), expected, "{status:?}");
    }

    let (two, known) = (WorkerId::from("two"), HashSet::from(["f".to_string()]));
    let claimed = assert_cheap(&conn, &unfinished_sql(), 50, || {
        claims::claim(&conn, &two, &known, 100).unwrap()
    });
    assert_eq!(claimed.len(), 10);

    // Ended sagas keep their owner, but no statement looks for it.
    let one = WorkerId::from("w");
    assert_cheap(&conn, &release_sql(), 50, || claims::release(&conn, &one).unwrap());
    assert_cheap(&conn, &release_sql(), 50, || claims::release(&conn, &two).unwrap());
    let claimed = claims::claim(&conn, &two, &known, 100).unwrap();
    assert_eq!(claimed.iter().filter(|record| record.attempts == 1).count(), 10);

    let purge = super::super::Purge {
        ended_before: crate::log::Timestamp(u64::MAX),
        statuses: Vec::new(),
        limit: 10,
    };
    let gone =
        assert_cheap(&conn, writes::PURGE, 50, || writes::purge(&conn, &purge, i64::MAX).unwrap());
    assert_eq!(gone, 10);
}

#[test]
fn counting_steps_detects_a_scan() {
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
