//! A log file of a `FileStore`, beside that of a healthy saga: whatever the one contains, the other must continue.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use saga_core::dag::{Dag, DagBuilder, Node, SagaDag};
use saga_core::store::{FileStore, ListFilter, Store};
use saga_core::{BoxError, Coordinator, SagaId};
use serde_json::Value;

use super::dag::Failures;

/// The id of the saga in the input.
pub(crate) const SAGA: &str = "fuzzed";

/// Adds the checksum to a line, without a line break.
pub(crate) fn seal(body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let rest = body.strip_prefix('{').unwrap_or(&body);
    format!("{{\"crc\":\"{:08x}\",{rest}", crc32(rest.as_bytes())).into_bytes()
}

fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| bit(crc)))
}

/// Runs a saga, in a store in this directory, that contains everything that a DAG of registered actions can contain.
pub(crate) async fn write_saga(at: &Path, id: &str, end: bool) -> Result<(), BoxError> {
    let sec = coordinator(FileStore::open(at)?).await?;
    let handle = sec.saga_dag(SagaDag::new(dag()?, &())?).id(id).start().await?;
    if end {
        handle.await?;
    }
    sec.shutdown(Duration::ZERO).await?;
    Ok(())
}

fn dag() -> Result<Dag<Failures>, BoxError> {
    let actions = super::registry();
    let (ok, list, flaky) = (actions.get("ok")?, actions.get("list")?, actions.get("flaky")?);
    let body = |name: &str| -> Result<_, BoxError> {
        let mut body = DagBuilder::new(name)?;
        body.append(Node::shared_action("x", flaky.clone())?)?;
        body.append(Node::shared_action("y", list.clone())?)?;
        Ok(body.build()?)
    };
    let mut dag = DagBuilder::new("Whole")?;
    dag.append(Node::shared_action("a", ok)?)?;
    dag.append(Node::shared_action("l", list.clone())?)?;
    dag.append(Node::for_each("each", body("Each")?, "l")?)?;
    dag.append(Node::choose("arm", vec![body("No")?, body("Yes")?], "a")?)?;
    dag.append(Node::subsaga("sub", body("Sub")?, "a")?)?;
    dag.append(Node::constant("c", 7u64)?)?;
    Ok(dag.build()?)
}

async fn coordinator(store: FileStore) -> Result<Coordinator<Failures>, BoxError> {
    let failures = Arc::new(AtomicU32::new(0));
    let builder = Coordinator::builder(failures).store(store).actions(super::registry());
    Ok(builder.build().await?)
}

pub(super) fn run(input: &[u8]) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(look(input)).expect("the other saga continues")
}

async fn look(input: &[u8]) -> Result<String, BoxError> {
    let directory = tempfile::tempdir()?;
    let at = directory.path().join("sagas");
    write_saga(&at, "healthy", false).await?;
    std::fs::write(at.join(format!("saga-{SAGA}.jsonl")), input)?;
    let store = FileStore::open(&at)?;
    let id: SagaId = SAGA.parse()?;
    let loaded = super::outcome(store.load(&id).await, |found| match found {
        Some(stored) => format!("{}", stored.record.status),
        None => "gone".to_string(),
    });
    assert!(store.list(ListFilter::default()).await?.len() <= 2);
    let sec = coordinator(store.clone()).await?;
    let seen = super::outcome(sec.inspect(SAGA).await, |view| {
        drop(view.map(|view| format!("{view} {}", view.log)));
        "seen".to_string()
    });
    let healthy = sec.get::<Value>("healthy").await?.ok_or("the other saga is gone")?;
    tokio::time::timeout(Duration::from_secs(30), healthy).await??;
    let got = super::outcome(sec.get::<Value>(SAGA).await, |_| "got".to_string());
    let cancelled = super::outcome(sec.operator("bob").cancel(SAGA, "enough").await, |_| "".into());
    sec.shutdown(Duration::ZERO).await?;
    drop(store.delete(&id).await);
    Ok(format!("{loaded} {seen} {got} {cancelled}"))
}
