//! Tests that each statement finds its rows by an index and reads no others.

use rusqlite::Connection;

use super::claims::{CLAIM, DUE, free_sql, release_sql, unfinished_sql};
use super::definitions;
use super::reads::*;
use super::requests::{OF_SAGA, WAITING};
use super::schema::MIGRATIONS;
use super::writes::*;
use crate::log::SagaStatus;

fn plan(sql: &str) -> String {
    explain("EXPLAIN QUERY PLAN", sql, "detail")
}

fn explain(how: &str, sql: &str, column: &str) -> String {
    let conn = Connection::open_in_memory().unwrap();
    for migration in MIGRATIONS {
        conn.execute_batch(migration).unwrap();
    }
    let mut explain = conn.prepare(&format!("{how} {sql}")).unwrap();
    // Unbound parameters are NULL.
    let mut rows = explain.raw_query();
    let mut plan = String::new();
    while let Some(row) = rows.next().unwrap() {
        plan += &row.get::<_, String>(column).unwrap();
        plan += "\n";
    }
    plan
}

#[test]
fn claim_reads_the_unfinished_sagas_and_no_row_of_them() {
    let plan = plan(&unfinished_sql());
    assert!(plan.contains("USING COVERING INDEX saga_unfinished"), "{plan}");
}

#[test]
fn what_is_due_is_read_from_an_index_in_order() {
    let plan = plan(DUE);
    assert!(
        plan.contains("USING COVERING INDEX saga_due (suspended_until>? AND suspended_until<?)"),
        "{plan}"
    );
    assert!(!plan.contains("ORDER BY"), "sorts: {plan}");
}

#[test]
fn claim_finds_what_it_changes_by_number() {
    for sql in [&free_sql(), CLAIM] {
        let plan = plan(sql);
        assert!(plan.contains("SEARCH saga USING INTEGER PRIMARY KEY"), "{plan}");
    }
}

#[test]
fn a_page_is_read_in_order_and_not_sorted() {
    let (ids, unfinished) =
        ("sqlite_autoindex_saga_1 (id>? AND id<?)", "saga_unfinished (status=? AND id>? AND id<?)");
    let not_completed = "saga_not_completed (status=? AND id>? AND id<?)";
    for (status, index) in [
        (None, ids),
        (Some(SagaStatus::Completed), ids),
        (Some(SagaStatus::RolledBack), not_completed),
        (Some(SagaStatus::Stuck), not_completed),
        (Some(SagaStatus::Running), unfinished),
        (Some(SagaStatus::Failed), unfinished),
        (Some(SagaStatus::RollingBack), unfinished),
    ] {
        let plan = plan(&page_sql(status));
        assert!(plan.contains(index), "{plan}");
        assert!(!plan.contains("ORDER BY"), "sorts: {plan}");
    }
}

#[test]
fn versions_reads_no_ended_sagas() {
    let plan = plan(&versions_sql());
    assert!(plan.contains("SCAN saga USING INDEX saga_unfinished"), "{plan}");
}

#[test]
fn an_append_finds_its_saga_by_id() {
    for sql in [COMPARE, UNCHANGED] {
        let plan = plan(sql);
        assert!(plan.contains("sqlite_autoindex_saga_1 (id=?)"), "{plan}");
    }
    let by_number = [ADVANCE, FINISH, UPDATE, UPDATE_STATUS, UPDATE_DETAILS];
    for sql in by_number.into_iter().chain([DEFINITION_OF, REDEFINE, UPDATE_PARAMS]) {
        let plan = plan(sql);
        assert!(plan.contains("USING INTEGER PRIMARY KEY"), "{plan}");
    }
}

/// SQLite builds a temporary table for each `IN` in the condition of a partial index, whenever it checks whether a
/// row belongs to the index. That took most of the time of an append.
#[test]
fn no_write_builds_a_temporary_table() {
    for sql in [CREATE, ADVANCE, FINISH, UPDATE, UPDATE_STATUS, UPDATE_DETAILS] {
        let program = explain("EXPLAIN", sql, "opcode");
        assert!(!program.contains("OpenEphemeral"), "{sql}: {program}");
    }
}

#[test]
fn an_append_writes_no_index_unless_the_status_changes() {
    for (sql, written) in
        [(ADVANCE, 1), (UPDATE, 1), (UPDATE_DETAILS, 1), (UPDATE_STATUS, 4), (FINISH, 4)]
    {
        let program = explain("EXPLAIN", sql, "opcode");
        assert_eq!(program.matches("OpenWrite").count(), written, "{sql}: {program}");
    }
}

#[test]
fn a_log_is_a_range_of_keys() {
    for sql in [READ_LOG, DELETE_LOG] {
        let plan = plan(sql);
        let expected = "SEARCH saga_log USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)";
        assert!(plan.contains(expected), "{plan}");
        assert!(!plan.contains("ORDER BY"), "sorts: {plan}");
    }
    let of_one = "SELECT kind FROM saga_event JOIN saga USING (number) WHERE id = ?1 ORDER BY seq";
    let plan = plan(of_one);
    assert!(!plan.contains("SCAN saga") && !plan.contains("SCAN log"), "{plan}");
}

#[test]
fn the_latest_of_a_definition_is_found_by_index() {
    let plan = plan(definitions::LATEST);
    assert!(plan.contains("saga_definition_by_fingerprint (fingerprint=? AND name=?)"), "{plan}");
    assert!(!plan.contains("ORDER BY"), "sorts: {plan}");
}

#[test]
fn whether_a_definition_is_used_is_found_by_index() {
    let plan = plan(definitions::REMOVE_UNUSED);
    assert!(plan.contains("saga_by_definition (definition=?)"), "{plan}");
}

#[test]
fn purge_finds_the_oldest_of_a_status_in_order() {
    let plan = plan(PURGE);
    assert!(plan.contains("saga_ended (status=? AND ended_at>? AND ended_at<?)"), "{plan}");
    assert!(plan.contains("saga_command_by_saga (saga_id=?)"), "{plan}");
    assert!(!plan.contains("ORDER BY"), "sorts: {plan}");
}

#[test]
fn release_reads_no_ended_sagas() {
    let plan = plan(&release_sql());
    assert!(plan.contains("USING INDEX saga_unfinished"), "{plan}");
}

#[test]
fn the_requests_of_a_saga_are_found_by_index() {
    let plan = plan(OF_SAGA);
    assert!(plan.contains("saga_command_by_saga (saga_id=?)"), "{plan}");
}

#[test]
fn requests_reads_only_unanswered_requests() {
    let plan = plan(WAITING);
    assert!(plan.contains("USING INDEX saga_command_waiting"), "{plan}");
    assert!(!plan.contains("ORDER BY"), "sorts: {plan}");
}
