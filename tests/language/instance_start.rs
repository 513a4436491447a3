//! Modelled on a large real saga: an instance is started in 24 nodes. In the middle a list of local
//! storage is looked up, and its records are prepared in parallel, each with an undo of its own.

use crate::common::lab::{Any, Cx, Lab, World, chosen, crashed, make, ready, stored, with};
use saga_core::dag::Dag;
use saga_core::prelude::*;
use saga_core::store::MemoryStore;
use serde::{Deserialize, Serialize};

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

saga! {
    #[allow(unused_variables)]
    InstanceStart<World>(instance: String) -> String {
        let propolis_id = make { what: "propolis id" };
        let server = make { what: instance };
        let propolis_ip = make { what: &format!("address of {propolis_id}") };
        let vmm_record = make { what: &format!("{propolis_id} on {server} at {propolis_ip}") };
        let marked_as_starting = make { what: vmm_record };
        parallel {
            let disks = make { what: "disks" };
            let nics = make { what: "network interfaces" };
            let multicast_members = make { what: "members" };
            {
                let dpd = make { what: server };
                let v2p = make { what: &format!("{nics} {dpd}") };
            }
        }
        let local_storage_records = local_storage_records { instance };
        let ensured = for record in local_storage_records { ensure_storage { server, record } };
        let nat_entries = ready { what: propolis_ip };
        let firewall_rules = ready { what: nics };
        let ssh_keys = ready { what: "keys" };
        let metadata = ready { what: ssh_keys };
        parallel {
            let attached_disks = ready { what: disks };
            let attached_nics = ready { what: &format!("{nics} {v2p}") };
            let joined = ready { what: multicast_members };
        }
        let boot_disk = ready { what: attached_disks };
        let registered = ready { what: vmm_record };
        let running = ready { what: registered };
        let updated = ready { what: marked_as_starting };
        ready { what: &format!("{instance} {}", ensured.len()) }
    }
}

async fn run(world: &World, store: &MemoryStore) -> Result<Result<String, SagaError>, Any> {
    let builder = Coordinator::builder(world.clone()).store(store.clone());
    let sec = builder.saga::<InstanceStart>().build().await?;
    let saga = InstanceStart { instance: "vm".to_string() };
    Ok(sec.saga(saga).id("start").start().await?.await)
}

/// The nodes with an effect: those before the records, their instances, those after.
const EFFECTS: usize = 10 + 8 + 12;

#[tokio::test]
async fn the_width_follows_the_records_and_a_failed_item_undoes_everything() -> Result<(), Any> {
    assert_eq!(Dag::of::<InstanceStart>()?.len(), 24);
    let (world, store) = (Lab::failing(None), MemoryStore::new());
    assert_eq!(run(&world, &store).await??, "VM 8");
    assert_eq!(world.effects().len(), EFFECTS);

    let (world, store) = (Lab::failing(Some("ensured[5]")), MemoryStore::new());
    let error = run(&world, &store).await?.unwrap_err();
    assert!(matches!(error, SagaError::RolledBack(_)), "{error}");
    assert!(world.effects().is_empty());
    let entries = stored(&store, "start").await?.entries;
    let undone = with(&entries, "undo_finished");
    for i in (0..8).filter(|i| *i != 5) {
        assert!(undone.contains(&format!("ensured[{i}]")), "{i}: {undone:?}");
    }
    // with `local_storage_records`, and nothing after the instances
    let started = with(&entries, "started");
    assert_eq!(started.len(), 10 + 1 + 8, "{started:?}");
    Ok(())
}

#[tokio::test]
async fn a_failure_at_each_node_leaves_nothing() -> Result<(), Any> {
    let world = Lab::failing(None);
    run(&world, &MemoryStore::new()).await??;
    for node in world.effects() {
        let world = Lab::failing(Some(&node));
        let error = run(&world, &MemoryStore::new()).await?.unwrap_err();
        assert_eq!(error.failed_node().map(ToString::to_string).as_ref(), Some(&node), "{error}");
        assert!(world.effects().is_empty(), "{node}: {:?}", world.effects());
    }
    Ok(())
}

#[tokio::test]
async fn a_crash_in_the_middle_resumes_with_the_same_width() -> Result<(), Any> {
    let (world, store) = (Lab::failing(None), MemoryStore::new());
    run(&world, &store).await??;
    let saga = stored(&store, "start").await?;
    for len in 1..saga.entries.len() {
        let (after, store) = crashed(&world, None, &saga, len).await?;
        let builder = Coordinator::builder(after.clone()).store(store.clone());
        let sec = builder.saga::<InstanceStart>().build().await?;
        let handle = sec.get::<InstanceStart>("start").await?.ok_or("not there")?;
        assert_eq!(handle.await?, "VM 8", "after entry {len}");
        assert_eq!(after.effects(), world.effects(), "after entry {len}");
        let entries = stored(&store, "start").await?.entries;
        assert_eq!(chosen(&entries)["ensured"], 8, "after entry {len}");
    }
    Ok(())
}
