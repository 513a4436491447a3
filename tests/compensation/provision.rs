//! A server is provisioned with a constant, a subsaga and parallel nodes. A fault at each node in turn
//! and a crash after each entry of each log leave nothing behind.

use std::sync::Arc;

use crate::common::world::{self, Cx, Do, Process, World, bare, maybe, out, plain};
use saga_core::dag::DagBuilder;
use saga_core::log::Entry;
use saga_core::operator::Fault;
use saga_core::prelude::*;
use saga_core::store::{MemoryStore, NewSaga, Store};
use saga_core::typed::SagaOutput;
use saga_core::{CoordinatorBuilder, Saga, SagaStatus};

type W = Arc<World>;

/// Takes the size that the constant says.
#[saga_action(undo = free(output))]
async fn allocate(cx: &Cx, size: u32) -> Result<u32, String> {
    world::act(cx).await.map(|_| size)
}
async fn free(cx: &Cx, output: &u32) -> Result<(), saga_core::UndoError> {
    assert_eq!(*output, 16);
    world::unact(cx, "").await
}

/// The subsaga: a disk of some size, formatted.
#[derive(serde::Serialize, serde::Deserialize)]
struct Disk {
    size: u32,
}

impl Saga for Disk {
    type Context = W;
    type Output = u32;
    const NAME: &'static str = "Disk";
    fn define(dag: &mut DagBuilder<W>) -> SagaOutput<u32> {
        let size = dag.param("size", |disk: &Self| &disk.size);
        let volume = dag.step("volume", &[("size", &[size.id()])], move |cx| {
            cx.call(allocate { size: *size.get(cx) })
        });
        dag.step("format", &[], |cx| cx.call(plain {}));
        dag.ends_with(volume)
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Provision;

impl Saga for Provision {
    type Context = W;
    type Output = u32;
    const NAME: &'static str = "Provision";
    fn define(dag: &mut DagBuilder<W>) -> SagaOutput<u32> {
        let size = dag.value("size", &[], |cx| cx.value(16_u32));
        dag.step("id", &[], |cx| cx.call(bare {}));
        dag.parallel();
        dag.step("address", &[], |cx| cx.call(maybe {}));
        dag.step("host", &[], |cx| cx.call(out {}));
        let disk =
            dag.subsaga("disk", &[("size", &[size.id()])], move |cx| Disk { size: *size.get(cx) });
        dag.end();
        dag.step("boot", &[("disk", &[disk.id()])], |cx| cx.call(out {}));
        dag.step("announce", &[], |cx| cx.call(bare {}));
        dag.ends_with(disk)
    }
}

fn sagas(builder: CoordinatorBuilder<W>) -> CoordinatorBuilder<W> {
    builder.saga::<Provision>()
}

/// One saga at a time, so that its log is always the same.
fn one_by_one(builder: CoordinatorBuilder<W>) -> CoordinatorBuilder<W> {
    builder.saga::<Provision>().max_concurrency(1)
}

const NODES: [&str; 7] =
    ["id", "address", "host", "disk/volume", "disk/format", "boot", "announce"];
const WITHOUT_UNDO: [&str; 2] = ["announce", "id"];

fn end(process: &Process) -> Result<u32, SagaError> {
    process.until(async { process.sec.get::<Provision>("x").await.unwrap().unwrap().await })
}

fn left(world: &World) -> Vec<String> {
    let mut effects = world.effects();
    effects.retain(|node| !WITHOUT_UNDO.contains(&node.as_str()));
    effects
}

#[test]
fn the_server_is_provisioned() {
    let (world, store) = (Arc::new(World::default()), MemoryStore::new());
    let process = Process::start(&world, &store, sagas);
    process.until(process.sec.saga(Provision).id("x").start()).unwrap();
    assert_eq!(end(&process).unwrap(), 16);
    let mut nodes = NODES.map(String::from).to_vec();
    nodes.sort();
    assert_eq!(world.effects(), nodes);
}

#[test]
fn an_injected_fault_at_each_node_leaves_nothing() {
    for node in NODES {
        let (world, store) = (Arc::new(World::default()), MemoryStore::new());
        // the first node waits until the fault is in, and for the process that comes next
        world.script("id", [Do::Waits]);
        let process = Process::start(&world, &store, sagas);
        process.until(process.sec.saga(Provision).id("x").start()).unwrap();
        process.until(process.sec.operator("test").inject("x", node, Fault::Error)).unwrap();
        drop(process);
        let process = Process::start(&world, &store, sagas);
        let Err(SagaError::RolledBack(report)) = end(&process) else { panic!("at {node}") };
        assert_eq!(report.failed_node().unwrap(), node);
        assert_eq!(report.error.as_ref().unwrap().to_string(), "error injected");
        assert_eq!(left(&world), [] as [&str; 0], "fault at {node}");
    }
}

#[test]
fn a_failed_undo_at_each_node_is_stuck_and_mended() {
    for node in NODES.iter().filter(|node| !WITHOUT_UNDO.contains(node)) {
        let (world, store) = (Arc::new(World::default()), MemoryStore::new());
        world.script("announce", [Do::Fails]);
        world.script(&format!("undo {node}"), [Do::FailsForGood]);
        let process = Process::start(&world, &store, sagas);
        process.until(process.sec.saga(Provision).id("x").start()).unwrap();
        let Err(SagaError::Stuck(report)) = end(&process) else { panic!("stuck at {node}") };
        assert!(report.remaining_effects().any(|remains| remains == *node), "{report:?}");
        process.until(process.sec.operator("test").retry_undo("x", *node)).unwrap();
        assert!(matches!(end(&process), Err(SagaError::RolledBack(_))));
        assert_eq!(left(&world), [] as [&str; 0], "undo at {node}");
    }
}

/// The log of a whole run, with the record that it begins with.
fn log_of(scripts: &[(&str, &[Do])]) -> (NewSaga, Vec<Entry>) {
    let (world, store) = (Arc::new(World::default()), MemoryStore::new());
    for (call, script) in scripts {
        world.script(call, script.iter().copied());
    }
    let process = Process::start(&world, &store, one_by_one);
    process.until(process.sec.saga(Provision).id("x").start()).unwrap();
    let _ = end(&process);
    let stored = process.until(store.load(&"x".parse().unwrap())).unwrap().unwrap();
    let record =
        saga_core::store::SagaRecord { status: SagaStatus::Running, error: None, ..stored.record };
    (NewSaga { record, entries: Vec::new() }, stored.entries)
}

#[test]
fn a_crash_at_each_entry_of_each_log_ends_as_the_run_did() {
    let completed: &[(&str, &[Do])] = &[];
    let failed: &[(&str, &[Do])] = &[("announce", &[Do::Fails])];
    let in_doubt: &[(&str, &[Do])] = &[("boot", &[Do::Panics]), ("address", &[Do::Works])];
    for scripts in [completed, failed, in_doubt] {
        let (new, log) = log_of(scripts);
        for prefix in 1..=log.len() {
            let (world, store) = (Arc::new(World::default()), MemoryStore::new());
            let mut new = new.clone();
            new.entries = log[..prefix].to_vec();
            new.record.next_seq = prefix as u64 + 1;
            let ended = matches!(new.entries.last().unwrap().kind.name(), "ended");
            if ended {
                continue; // not a crash
            }
            // what the world saw before the crash
            for (call, script) in scripts {
                world.script(call, script.iter().copied());
            }
            let unwinding = new.entries.iter().any(|entry| entry.kind.name() == "unwinding");
            let process = Process::start(&world, &store, |builder| builder);
            process.until(store.create(new)).unwrap();
            drop(process);
            let process = Process::start(&world, &store, one_by_one);
            let end = end(&process);
            let what = format!("{prefix} of {} entries, {scripts:?}", log.len());
            match end {
                Ok(size) => assert!(!unwinding && size == 16, "{what}"),
                Err(SagaError::RolledBack(_)) => {
                    assert_eq!(left(&world), [] as [&str; 0], "{what}");
                }
                Err(error) => panic!("{what}: {error}"),
            }
        }
    }
}
