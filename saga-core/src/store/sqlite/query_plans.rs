//! Tests that each statement finds its rows by an index and reads no others.

use rusqlite::Connection;

use super::reads::*;
use super::requests::WAITING;
use super::writes::*;

fn plan(sql: &str) -> String {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(include_str!("schema_1.sql")).unwrap();
    let mut explain = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    // Unbound parameters are NULL.
    let mut rows = explain.raw_query();
    let mut plan = String::new();
    while let Some(row) = rows.next().unwrap() {
        plan += &row.get::<_, String>("detail").unwrap();
        plan += "\n";
    }
    plan
}

#[test]
fn claim_reads_the_unfinished_sagas_in_order() {
    let plan = plan(&claim_sql());
    assert!(plan.contains("USING INDEX saga_unfinished"), "{plan}");
    assert!(!plan.contains("ORDER BY"), "sorts: {plan}");
}

#[test]
fn a_page_is_read_in_order_and_not_sorted() {
    for (of_status, index) in [(true, "saga_by_status"), (false, "sqlite_autoindex_saga_1")] {
        let plan = plan(&page_sql(of_status));
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
    for sql in [&*UPDATE_SAME_STATUS, &*UPDATE] {
        let plan = plan(sql);
        assert!(plan.contains("sqlite_autoindex_saga_1 (id=?)"), "{plan}");
    }
}

#[test]
fn purge_finds_the_oldest_of_a_status_in_order() {
    let plan = plan(PURGE);
    assert!(plan.contains("saga_ended (status=? AND updated_at<?)"), "{plan}");
    assert!(!plan.contains("ORDER BY"), "sorts: {plan}");
}

#[test]
fn release_finds_its_sagas_by_owner() {
    let plan = plan(&release_sql());
    assert!(plan.contains("saga_by_owner"), "{plan}");
}

#[test]
fn requests_reads_only_unanswered_requests() {
    let plan = plan(WAITING);
    assert!(plan.contains("USING INDEX saga_command_waiting"), "{plan}");
    assert!(!plan.contains("ORDER BY"), "sorts: {plan}");
}
