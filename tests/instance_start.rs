//! The shape of a large real saga: an instance is started in 24 nodes. In the middle a list of local
//! storage is looked up, and each record is made ready side by side, with an undo of its own.

#[path = "common/lab.rs"]
mod lab;

use lab::{Any, Cx, Lab, World, chosen, cut, make, ready, stored, with};
use saga_core::dag::{Dag, DagBuilder};
use saga_core::prelude::*;
use saga_core::store::MemoryStore;
use saga_core::{Ends, Saga};
use serde::{Deserialize, Serialize};

const BEFORE: [&str; 11] = [
    "generate_propolis_id",
    "alloc_server",
    "alloc_propolis_ip",
    "create_vmm_record",
    "mark_as_starting",
    "fetch_instance",
    "fetch_disks",
    "fetch_nics",
    "multicast_members",
    "dpd_ensure",
    "v2p_ensure",
];
const AFTER: [&str; 11] = [
    "nat_entries",
    "firewall_rules",
    "ssh_keys",
    "metadata",
    "attach_disks",
    "attach_nics",
    "boot_disk",
    "ensure_registered",
    "ensure_running",
    "update_state",
    "notify",
];

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    zpool: String,
    bytes: u64,
}

#[saga_action(no_undo)]
async fn local_storage_records(instance: &str) -> Result<Vec<Record>, String> {
    let zpools = (0..8).map(|i| format!("{instance}-{i}"));
    Ok(zpools.map(|zpool| Record { zpool, bytes: 1 << 30 }).collect())
}

#[saga_action(undo = delete_storage(record))]
async fn ensure_storage(
    cx: &ActionContext<World>,
    server: &str,
    record: &Record,
) -> Result<u64, String> {
    cx.done(cx)?;
    if server.is_empty() { Err("no server".to_string()) } else { Ok(record.bytes) }
}
async fn delete_storage(cx: &Cx, _record: &Record) -> Result<(), String> {
    cx.undone(cx);
    Ok(())
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct InstanceStart {
    instance: String,
}

impl Saga for InstanceStart {
    type Context = World;
    type Output = String;
    const NAME: &'static str = "InstanceStart";

    fn define(dag: &mut DagBuilder<World>) -> Ends<String> {
        let instance = dag.param("instance", |saga: &Self| &saga.instance);
        let [server, ..] = BEFORE.map(|name| {
            dag.step(name, &[("what", &[instance.id()])], move |cx| {
                cx.call(make { what: instance.get(cx) })
            })
        });
        let records =
            dag.step("local_storage_records", &[("instance", &[instance.id()])], move |cx| {
                cx.call(local_storage_records { instance: instance.get(cx) })
            });
        let items = &[("items", &[records.id()] as &[_])];
        let ensured = dag.for_each(
            "ensure_storage",
            items,
            move |cx| records.get(cx),
            |dag, record| {
                let from: &[_] = &[("server", &[server.id()] as &[_]), ("record", &[record.id()])];
                let ensured = dag.step("ensured", from, move |cx| {
                    cx.call(ensure_storage { server: server.get(cx), record: record.get(cx) })
                });
                dag.ends_with(ensured)
            },
        );
        let mut last = server;
        for name in AFTER {
            last = dag.step(name, &[("what", &[instance.id(), ensured.id()])], move |cx| {
                Box::pin(async move {
                    let what = format!("{} {}", instance.get(cx), ensured.get(cx).len());
                    cx.call(ready { what: &what }).await
                })
            });
        }
        dag.ends_with(last)
    }
}

async fn run(world: &World, store: &MemoryStore) -> Result<Result<String, SagaError>, Any> {
    let builder = Coordinator::builder(world.clone()).store(store.clone());
    let sec = builder.saga::<InstanceStart>().build().await?;
    let saga = InstanceStart { instance: "vm".to_string() };
    Ok(sec.saga(saga).id("start").start().await?.await)
}

#[tokio::test]
async fn the_width_follows_from_the_records_and_item_5_of_8_takes_all_back() -> Result<(), Any> {
    assert_eq!(Dag::of::<InstanceStart>()?.len(), 24);
    let (world, store) = (Lab::failing(None), MemoryStore::new());
    assert_eq!(run(&world, &store).await??, "VM 8");
    assert_eq!(world.effects().len(), BEFORE.len() + 8 + AFTER.len());

    let (world, store) = (Lab::failing(Some("ensure_storage[5]")), MemoryStore::new());
    let error = run(&world, &store).await?.unwrap_err();
    assert!(matches!(error, SagaError::RolledBack(_)), "{error}");
    assert!(world.effects().is_empty());
    let entries = stored(&store, "start").await?.entries;
    let undone = with(&entries, "undo_finished");
    for i in (0..8).filter(|i| *i != 5) {
        assert!(undone.contains(&format!("ensure_storage[{i}]")), "{i}: {undone:?}");
    }
    let started = with(&entries, "started");
    assert!(AFTER.iter().all(|name| !started.contains(*name)), "{started:?}");
    Ok(())
}

#[tokio::test]
async fn a_crash_in_the_middle_resumes_with_the_same_width() -> Result<(), Any> {
    let (world, store) = (Lab::failing(None), MemoryStore::new());
    run(&world, &store).await??;
    let saga = stored(&store, "start").await?;
    for len in 1..saga.entries.len() {
        let authorized = world.ops();
        let authorized = authorized.iter().filter(|op| op.seq <= len as u64);
        let (after, store) = (Lab::after(None, authorized), cut(&saga, len).await?);
        let builder = Coordinator::builder(after.clone()).store(store.clone());
        let sec = builder.saga::<InstanceStart>().build().await?;
        let handle = sec.get::<InstanceStart>("start").await?.ok_or("not there")?;
        assert_eq!(handle.await?, "VM 8", "after entry {len}");
        assert_eq!(after.effects(), world.effects(), "after entry {len}");
        let entries = stored(&store, "start").await?.entries;
        assert_eq!(chosen(&entries)["ensure_storage"], 8, "after entry {len}");
    }
    Ok(())
}
