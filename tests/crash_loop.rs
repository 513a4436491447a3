//! A saga that takes its process down is found out and parked; those beside it are not, and go on.

#[path = "common/world.rs"]
mod world;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use saga_core::prelude::*;
use saga_core::store::{ListFilter, MemoryStore, SqliteStore, Store};
use saga_core::{Answer, CoordinatorBuilder, SagaStatus};
use world::{Do, Process, World, bare};

/// Set in the child: where its store is.
const STORE: &str = "CRASH_LOOP_STORE";

#[saga_action(undo = nothing())]
async fn poison(work: &str) -> Result<(), String> {
    tokio::time::sleep(Duration::from_millis(20)).await;
    if work == "fatal" {
        std::process::abort();
    }
    Ok(())
}
async fn nothing() -> Result<(), String> {
    Ok(())
}

#[saga_action(no_undo)]
async fn slow() -> Result<(), String> {
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(())
}

saga! { Poison<()>(work: String) { poison { work }; } }
saga! { Bystander<()>() { slow {}; } }

async fn coordinator(store: &Path) -> Coordinator<()> {
    let store = SqliteStore::open(store).unwrap();
    Coordinator::builder(())
        .store(store)
        .saga::<Poison>()
        .saga::<Bystander>()
        .build()
        .await
        .unwrap()
}

/// What the process does that is taken down: both kinds of sagas at once, under ids that stay.
async fn live(store: &Path) {
    let sec = coordinator(store).await;
    let mut bystanders = Vec::new();
    for i in 0..3 {
        bystanders.push(sec.saga(Bystander {}).id(format!("before-{i}")).start().await.unwrap());
    }
    let poison = Poison { work: "fatal".to_string() };
    let poison = sec.saga(poison).id("poison").start().await.unwrap();
    for i in 0..3 {
        bystanders.push(sec.saga(Bystander {}).id(format!("behind-{i}")).start().await.unwrap());
    }
    for bystander in bystanders {
        bystander.await.unwrap();
    }
    let error = poison.await.unwrap_err();
    assert!(matches!(error, SagaError::Parked { .. }), "{error}");
}

#[test]
fn the_saga_that_crashes_the_process_is_parked_and_no_other() {
    if let Some(store) = std::env::var_os(STORE) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(live(Path::new(&store)));
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("sagas.db");
    let mut crashes = 0;
    loop {
        let mut child = Command::new(std::env::current_exe().unwrap());
        let child =
            child.args(["--exact", "the_saga_that_crashes_the_process_is_parked_and_no_other"]);
        let child = child.env(STORE, &store).output().unwrap();
        if child.status.success() {
            break;
        }
        let output = String::from_utf8_lossy(&child.stdout);
        assert!(!output.contains("panicked"), "killed, not failed: {output}");
        crashes += 1;
        assert!(crashes <= 3, "parked at the third crash");
    }
    assert_eq!(crashes, 3);

    // it can be looked at, and goes on when a human says so
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let attached = SqliteStore::attach(&store).unwrap();
        let all = attached.list(ListFilter::default()).await.unwrap();
        assert_eq!(all.len(), 7);
        for record in &all {
            let reason = record.parked_reason.as_deref();
            if record.id.as_str() == "poison" {
                let expected = "the process died 3 times in a row while `poison` was running";
                assert_eq!(reason, Some(expected));
            } else {
                assert_eq!((record.status, reason), (SagaStatus::Completed, None), "{}", record.id);
            }
        }
        let sec = coordinator(&store).await;
        let operator = sec.operator("alice");
        assert_eq!(operator.cancel("poison", "it kills us").await.unwrap(), Answer::Done);
        let poison = sec.get::<serde_json::Value>("poison").await.unwrap().unwrap();
        assert!(matches!(poison.await, Err(SagaError::RolledBack(_))));
    });
}

/// A delivery service that is closed until tomorrow.
#[saga_action(no_undo, retry(max = 9, base = "24h", cap = "24h"))]
async fn deliver(cx: &ActionContext<Arc<World>>) -> Result<(), String> {
    Err(format!("{} is closed", cx.node_path()))
}

saga! {
    Sleeps<Arc<World>>() { deliver {}; }
    Works<Arc<World>>() { let _call = bare {}; }
}

#[test]
fn sagas_that_only_wait_hold_nobody_up_after_crashes() {
    fn sagas(builder: CoordinatorBuilder<Arc<World>>) -> CoordinatorBuilder<Arc<World>> {
        builder.saga::<Sleeps>().saga::<Works>()
    }
    let (world, store) = (Arc::new(World::default()), MemoryStore::new());
    world.script("_call", [Do::Waits, Do::Waits]);
    let start = || Process::start(&world, &store, sagas);
    let process = start();
    process.until(async {
        for i in 0..50 {
            process.sec.saga(Sleeps {}).id(format!("asleep-{i}")).start().await.unwrap();
        }
        process.sec.saga(Works {}).id("x").start().await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    });
    drop(process);
    // it is killed once more: now `x` was in the middle of a call twice, and the others were asleep
    let process = start();
    process.until(world.hears("do _call", 2));
    drop(process);

    let process = start();
    let waited = process.until(async {
        let began = tokio::time::Instant::now();
        process.sec.get::<Works>("x").await.unwrap().unwrap().await.unwrap();
        began.elapsed()
    });
    assert!(waited < Duration::from_secs(5), "{waited:?}");
}
