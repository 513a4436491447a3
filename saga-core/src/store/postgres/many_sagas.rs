//! A claim costs the same however many sagas have ended, and however many dead tuples they have left.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::types::Type;

use super::connection::{Connection, Execute as _, Params};
use super::{PostgresStore, claims, connector, removals, schema};
use crate::log::Timestamp;
use crate::store::{Purge, Store, WorkerId};

/// How many pages a claim of ten sagas may read or find in the cache. Each saga takes some 30: a few levels of five indexes.
/// The 200 000 sagas of the worker that have ended since the last vacuum left 170 pages of dead entries in the index; a scan
/// of the table or of all index entries would read tens of thousands.
const FEW_PAGES: i64 = 1000;

/// A million ended sagas, 400 000 dead tuples, and ten sagas of a worker that has died.
const FILL: &str = "
    INSERT INTO saga_version (fingerprint, name, dag) VALUES ('f', 's', ''), ('other', 's', '');
    INSERT INTO saga_worker VALUES ('dead', now() - interval '1 hour', now() - interval '1 minute'),
        ('alive', now() - interval '1 hour', now() + interval '1 hour'),
        ('me', now(), now() + interval '1 hour');
    ALTER TABLE saga SET (autovacuum_enabled = off);
    INSERT INTO saga (id, version, status, owner, epoch, next_seq, attempts, paused, created_at, updated_at, ended_at)
        SELECT 'e' || i, 1, 'completed', 'dead', 1, 9, 1, false, i, i, i FROM generate_series(1, 800000) AS i;
    INSERT INTO saga (id, version, status, owner, epoch, next_seq, attempts, paused, created_at, updated_at)
        SELECT 'l' || i, 1, 'running', 'dead', 1, 9, 1, false, i, i FROM generate_series(1, 200000) AS i;
    UPDATE saga SET next_seq = 10 WHERE ended_at IS NULL;
    UPDATE saga SET status = 'completed', ended_at = updated_at WHERE ended_at IS NULL;
    INSERT INTO saga (id, version, status, owner, epoch, next_seq, attempts, paused, created_at, updated_at)
        SELECT 'r' || i, 1 + i / 1000, 'running', CASE i % 3 WHEN 0 THEN '' WHEN 1 THEN 'dead' ELSE 'alive' END,
            1, 9, 1, false, i, i FROM generate_series(1, 3000) AS i;
    INSERT INTO saga_input (number, birth, params)
        SELECT number, gen_random_uuid(), '' FROM saga WHERE ended_at IS NULL;
    ANALYZE saga;";

/// How many pages a statement read or found in the cache, and its plan.
async fn plan(connection: &Connection, sql: &str, params: Params<'_>) -> (i64, String) {
    let rows =
        connection.query(&format!("EXPLAIN (ANALYZE, BUFFERS) {sql}"), params).await.unwrap();
    let lines = rows.iter().map(|row| row.get::<_, &str>(0)).collect::<Vec<_>>();
    // the first line about buffers is that of the whole statement: "Buffers: shared hit=12 read=3"
    let buffers = lines.iter().find(|line| line.contains("Buffers:")).unwrap();
    let pages = |what: &str| {
        let found = buffers.split_whitespace().find_map(|word| word.strip_prefix(what));
        found.map_or(0, |pages| pages.parse::<i64>().unwrap())
    };
    (pages("hit=") + pages("read="), lines.join("\n"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_reads_few_pages_among_a_million_ended_sagas_and_dead_tuples() {
    let url = throwaway_postgres::new_database().unwrap();
    let options = PostgresStore::options(&url).statement_timeout(Duration::from_secs(300));
    let database = Arc::new(connector::database(&options).unwrap());
    let mut connection = database.connection().await.unwrap();
    schema::migrate(&mut connection).await.unwrap();
    connection.batch(FILL).await.unwrap();

    let (me, limit) = ("me", 10_i64);
    let versions = vec![1_i32];
    for owner in ["dead", ""] {
        let params: Params<'_> = &[
            (&me, Type::TEXT),
            (&owner, Type::TEXT),
            (&versions, Type::INT4_ARRAY),
            (&limit, Type::INT8),
        ];
        // the first one marks dead entries of the index, which were left by the sagas that have ended
        for round in 1..=3 {
            let (pages, plan) = plan(&connection, &claims::claim_sql(), params).await;
            println!("claim of {owner:?}, round {round}: {pages} pages");
            assert!(round == 1 || pages < FEW_PAGES, "{pages} pages:\n{plan}");
        }
    }
    // a worker that is alive keeps its sagas, whatever is claimed
    let worker = WorkerId::from("me");
    let fingerprints = ["f".to_string()];
    let mut claimed = 60;
    loop {
        let page = claims::claim(&connection, &worker, &fingerprints, 256).await.unwrap();
        if page.is_empty() {
            break;
        }
        claimed += page.len();
    }
    assert_eq!(claimed, 666, "two thirds of those of the version that is known");
    let left =
        "SELECT owner, count(*) FROM saga WHERE ended_at IS NULL GROUP BY owner ORDER BY owner";
    let left = connection.query(left, &[]).await.unwrap();
    let left = left.iter().map(|row| (row.get(0), row.get(1))).collect::<Vec<(String, i64)>>();
    println!("{left:?}");
    assert!(left.contains(&("alive".to_string(), 1000)), "{left:?}");

    let ended_before = Timestamp(u64::MAX);
    let purge = Purge { ended_before, statuses: Vec::new(), limit: 500 };
    assert_eq!(removals::purge(&connection, &purge).await.unwrap(), 500);
    let store = options.connect().await.unwrap();
    assert_eq!(store.workers().await.unwrap().len(), 2);
}
