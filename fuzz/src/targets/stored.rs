//! A stored saga with an arbitrary DAG and log. The input is a DAG, followed by one entry per line. If the DAG
//! consists of registered actions, the saga is run; otherwise it is only inspected.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use saga_core::dag::Dag;
use saga_core::log::{Entry, NodeEntry, Payload, SagaEntry, Timestamp, Uuid};
use saga_core::store::{MemoryStore, NewSaga, SagaRecord, Store, WorkerId};
use saga_core::{Coordinator, SagaStatus, StartError};
use serde_json::Value;

pub(super) fn run(input: &[u8]) -> String {
    let mut lines = input.split(|b| *b == b'\n');
    let dag = lines.next().unwrap_or_default();
    let entries = lines.filter(|line| !line.is_empty()).map(serde_json::from_slice::<Entry>);
    let Ok(entries) = entries.collect::<Result<Vec<_>, _>>() else { return "no entries".into() };
    let wide = |e: &Entry| matches!(e.node_entry(), Some(NodeEntry::Chosen(n)) if *n > 300 && *n <= 1 << 20);
    if entries.iter().any(wide) {
        return "too wide".to_string();
    }
    super::paused_runtime().block_on(look(dag, entries))
}

async fn look(dag: &[u8], entries: Vec<Entry>) -> String {
    let registry = super::registry();
    let known = Dag::from_json(dag, &registry).ok();
    let fingerprint = known.as_ref().map_or("unknown", |dag| dag.fingerprint()).to_string();
    let store = MemoryStore::new();
    let new = NewSaga { record: record(dag, fingerprint, &entries), entries };
    if let Err(why) = store.create(new).await {
        return why.to_string();
    }
    let failures = Arc::new(AtomicU32::new(20));
    let sec = Coordinator::builder(failures).store(store).actions(registry).build().await;
    let sec = sec.expect("a bad saga stops no coordinator");
    let seen = match sec.inspect("a").await {
        Ok(view) => view.map(|view| format!("{view} {}", view.log)).map(|_| "seen".to_string()),
        Err(StartError::Corrupt { why, .. }) => Some(why),
        Err(other) => panic!("{other}"),
    };
    let ended = match sec.get::<Value>("a").await {
        Ok(Some(handle)) => {
            let patience = Duration::from_secs(100 * 365 * 24 * 3600);
            let end = tokio::time::timeout(patience, handle).await;
            end.map_or("it waits".into(), |end| super::outcome(end, |_| "it completed".into()))
        }
        Ok(None) => panic!("it is in the store"),
        Err(error) => error.to_string(),
    };
    drop(sec.shutdown(Duration::ZERO).await);
    format!("{seen:?} {ended}")
}

fn record(dag: &[u8], fingerprint: String, entries: &[Entry]) -> SagaRecord {
    let status = match entries.last().and_then(Entry::saga_entry) {
        Some(SagaEntry::Ended(status)) => *status,
        _ => SagaStatus::Running,
    };
    let id = "a".parse().expect("an id");
    SagaRecord {
        run_key: Uuid::from_u128(1),
        fingerprint: fingerprint.into(),
        params: Payload::from(&b"null"[..]),
        dag: Payload::from(dag),
        status,
        owner: None,
        next_seq: entries.len() as u64 + 1,
        ..SagaRecord::new(id, "Fuzzed", WorkerId::generate(), Timestamp(0))
    }
}
