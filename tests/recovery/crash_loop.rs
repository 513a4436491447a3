//! A saga that crashes its process is detected and parked; the sagas beside it are not, and complete.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::common::process::again;
use crate::common::world::{Do, Process, World, bare};
use saga_core::operator::Answer;
use saga_core::prelude::*;
use saga_core::store::{ListFilter, MemoryStore, SqliteStore, Store};
use saga_core::{CoordinatorBuilder, SagaStatus};

/// Set in the child: where its store is, and what it does.
const STORE: &str = "CRASH_LOOP_STORE";
const DOES: &str = "CRASH_LOOP_DOES";

#[saga_action(undo = nothing())]
async fn poison(after: &u64) -> Result<(), String> {
    if *after > 0 {
        tokio::time::sleep(Duration::from_millis(*after)).await;
    }
    std::process::abort()
}
async fn nothing() -> Result<(), String> {
    Ok(())
}

#[saga_action(no_undo)]
async fn work(millis: &u64) -> Result<(), String> {
    match *millis {
        0 => std::future::pending().await,
        millis => tokio::time::sleep(Duration::from_millis(millis)).await,
    }
    Ok(())
}

saga! { Poison<()>(after: u64) { poison { after }; } }
saga! {
    Bystander<()>(millis: u64) {
        work { millis };
        let _more = work { millis };
    }
}

async fn coordinator(store: &Path) -> Coordinator<()> {
    let store = SqliteStore::open(store).unwrap();
    let builder = Coordinator::builder(()).store(store).saga::<Poison>().saga::<Bystander>();
    builder.build().await.unwrap()
}

/// What the process does that is taken down: all of its sagas at once, under ids that stay.
async fn live(store: &Path, does: &str) {
    let sec = coordinator(store).await;
    let kills_after = does.parse::<u64>().ok();
    let mut bystanders = Vec::new();
    for i in 0..300 {
        // some take longer than any life of the process, if it is killed from outside
        let millis = if kills_after.is_some() { 100 } else { [5, 200, 3_000, 0][i % 4] };
        let bystander = sec.saga(Bystander { millis }).id(format!("bystander-{i}"));
        bystanders.push(bystander.start().await.unwrap());
        if let (150, Some(after)) = (i, kills_after) {
            sec.saga(Poison { after }).id("poison").start().await.unwrap();
        }
    }
    for bystander in bystanders {
        bystander.await.unwrap();
    }
    let poison = sec.get::<Poison>("poison").await.unwrap().unwrap();
    let error = poison.await.unwrap_err();
    assert!(matches!(error, SagaError::Parked { .. }), "{error}");
}

/// This test's own program, which then runs [`live`] in place of the test of this name.
fn child(test: &str, store: &Path, does: &str) -> Command {
    let mut child = again(module_path!(), test);
    child.env(STORE, store).env(DOES, does);
    child.stdout(Stdio::piped()).stderr(Stdio::piped());
    child
}

fn is_child() -> bool {
    let (Some(store), Ok(does)) = (std::env::var_os(STORE), std::env::var(DOES)) else {
        return false;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(live(Path::new(&store), &does));
    true
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Every saga in the store: its id, its status and why it is parked.
fn all(store: &Path) -> Vec<(String, SagaStatus, Option<String>)> {
    let store = SqliteStore::attach(store).unwrap();
    let filter = ListFilter { limit: 1_000, ..ListFilter::default() };
    let all = block_on(store.list(filter)).unwrap();
    all.into_iter()
        .map(|record| (record.id.to_string(), record.status, record.parked_reason))
        .collect()
}

/// Runs the child until it comes to its end; how often it crashed.
fn crashes_until_parked(test: &str, store: &Path, after: u64, limit: u32) -> u32 {
    let mut crashes = 0;
    loop {
        let ended = child(test, store, &after.to_string()).output().unwrap();
        if ended.status.success() {
            break;
        }
        assert_eq!(ended.status.signal(), Some(6), "aborted, not failed: {ended:?}");
        crashes += 1;
        assert!(crashes <= limit, "not parked after {crashes} crashes");
    }
    println!("parked after {crashes} crashes");
    let all = all(store);
    assert_eq!(all.len(), 301);
    for (id, status, parked) in all {
        if id == "poison" {
            let reason = parked.expect("parked");
            assert!(reason.contains("times in a row within"), "{reason}");
            assert!(reason.contains("after `poison` began; deploy"), "{reason}");
        } else {
            assert_eq!((status, parked), (SagaStatus::Completed, None), "{id}");
        }
    }
    crashes
}

/// The first crashes tell which saga it is that kills; then three count against it.
#[test]
fn only_the_saga_that_crashes_the_process_is_parked() {
    const TEST: &str = "only_the_saga_that_crashes_the_process_is_parked";
    if is_child() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("sagas.db");
    assert!(crashes_until_parked(TEST, &store, 0, 12) > 3);

    // it can be looked at, and goes on when a human says so
    block_on(async {
        let sec = coordinator(&store).await;
        let operator = sec.operator("alice");
        // it is taken back where it stands; its undo finds nothing to do
        assert_eq!(operator.cancel("poison", "it kills us").await.unwrap(), Answer::Done);
        let poison = sec.get::<serde_json::Value>("poison").await.unwrap().unwrap();
        assert!(matches!(poison.await, Err(SagaError::RolledBack(_))));
    });
}

#[test]
fn a_saga_that_crashes_the_process_after_a_while_is_parked() {
    const TEST: &str = "a_saga_that_crashes_the_process_after_a_while_is_parked";
    if is_child() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    crashes_until_parked(TEST, &directory.path().join("sagas.db"), 50, 40);
}

/// 300 sagas, some of which cannot get on in so short a life.
#[test]
fn a_process_that_is_killed_again_and_again_parks_nothing() {
    const TEST: &str = "a_process_that_is_killed_again_and_again_parks_nothing";
    if is_child() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("sagas.db");
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    println!("CRASH_SEED={seed}");
    let mut random = seed | 1;
    for _ in 0..60 {
        let mut child = child(TEST, &store, "works").spawn().unwrap();
        // Marsaglia's xorshift64
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        std::thread::sleep(Duration::from_millis(random % 1_000));
        child.kill().unwrap();
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.signal(), Some(9), "killed, not failed: {ended:?}");
    }
    let all = all(&store);
    let parked = all.iter().filter(|(_, _, parked)| parked.is_some()).collect::<Vec<_>>();
    assert!(parked.is_empty(), "{parked:?}");
    assert_eq!(all.len(), 300);
    let done = all.iter().filter(|(_, status, _)| *status == SagaStatus::Completed).count();
    assert!(done >= 75, "those with short calls get through: {done}");
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
fn sagas_that_only_wait_delay_no_others_after_crashes() {
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
