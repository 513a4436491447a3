//! Modelled on a large real saga: an instance is created with the network interfaces, addresses, groups
//! and disks of a request, each by a saga of its own. Whatever fails and wherever the process dies, in
//! the end everything exists or nothing does.

mod cloud;
mod sagas;

use std::collections::BTreeMap;

use self::cloud::{Cloud, Rows, Trouble};
use self::sagas::{
    DiskCreate, DiskRequest, ExternalIp, Hold, InstanceCreate, NewDisk, Nic, Request, Source,
};
use crate::common::process::Process;
use saga_core::CoordinatorBuilder;
use saga_core::log::Uuid;
use saga_core::operator::Fault;
use saga_core::prelude::*;
use saga_core::store::{MemoryStore, Store};

fn sagas(builder: CoordinatorBuilder<Cloud>) -> CoordinatorBuilder<Cloud> {
    builder.saga::<InstanceCreate>().saga::<DiskCreate>()
}

fn new_disk(name: &str, source: Source) -> NewDisk {
    NewDisk { name: name.to_string(), gib: 16, source }
}

/// A disk of each kind.
fn new_disks() -> Vec<NewDisk> {
    let crucible = |importing| Source::Crucible { block_size: 512, importing };
    vec![
        new_disk("a", Source::ReadOnly { snapshot: Uuid::from_u128(7) }),
        new_disk("b", crucible(false)),
        new_disk("c", crucible(true)),
        new_disk("d", Source::Local { sled: "sled-3".to_string() }),
    ]
}

/// At least one of everything.
fn request() -> InstanceCreate {
    let text = |text: &str| text.to_string();
    let mut disks = new_disks().into_iter().map(DiskRequest::Create).collect::<Vec<_>>();
    disks.insert(1, DiskRequest::Attach { disk: Uuid::from_u128(1) });
    let request = Request {
        name: text("vm"),
        project: Uuid::from_u128(9),
        nics: vec![
            Nic { subnet: text("10.0.0.0"), ip: None },
            Nic { subnet: text("10.0.0.0"), ip: Some(text("10.0.0.7")) },
        ],
        external_ips: vec![
            ExternalIp::Ephemeral { pool: text("default") },
            ExternalIp::Floating { name: text("www") },
        ],
        groups: vec![text("web"), text("all")],
        disks,
        boot: Some(3),
    };
    InstanceCreate { request }
}

/// Runs the saga in a process of its own.
fn run(cloud: &Cloud, store: &MemoryStore) -> Result<Uuid, SagaError> {
    let process = Process::start(cloud, store, sagas);
    process.until(async { process.sec.saga(request()).id("x").start().await.unwrap().await })
}

/// Goes on with the saga in a process of its own.
fn go_on(cloud: &Cloud, store: &MemoryStore) -> Result<Uuid, SagaError> {
    let process = Process::start(cloud, store, sagas);
    process.until(async { process.sec.get::<InstanceCreate>("x").await.unwrap().unwrap().await })
}

/// What is there after a run in which nothing fails.
fn complete() -> (Cloud, BTreeMap<&'static str, usize>) {
    let cloud = Cloud::default();
    run(&cloud, &MemoryStore::new()).unwrap();
    let tables = cloud.tables();
    (cloud, tables)
}

#[test]
fn everything_is_created_and_the_caller_learns_the_id() {
    let cloud = Cloud::default();
    let id = run(&cloud, &MemoryStore::new()).unwrap();
    assert_eq!(cloud.ids("instance"), [id.to_string()]);
    let expected = [
        ("address", 3),
        ("attachment", 5),
        ("boot_disk", 1),
        ("crucible", 2),
        ("disk", 4),
        ("floating", 1),
        ("instance", 1),
        ("local", 1),
        ("member", 2),
        ("nic", 2),
        ("pantry", 1),
        ("region", 6),
        ("space", 4),
        ("state", 1),
        ("volume", 2),
    ];
    assert_eq!(cloud.tables(), BTreeMap::from(expected));
    let slots = (0..5).map(|slot| format!("{id}:{slot}")).collect::<Vec<_>>();
    assert_eq!(cloud.ids("attachment"), slots);
    let boot = &cloud.ids("boot_disk")[0];
    assert!(cloud.ids("disk").iter().any(|disk| *boot == format!("boots from {disk}")), "{boot}");
    assert!(cloud.ids("member")[0].ends_with(" in ALL"));
}

#[test]
fn an_instance_without_parts_is_created() {
    let cloud = Cloud::default();
    let mut empty = request();
    empty.request.nics.clear();
    empty.request.external_ips.clear();
    empty.request.groups.clear();
    empty.request.disks.clear();
    empty.request.boot = None;
    let process = Process::start(&cloud, &MemoryStore::new(), sagas);
    process.until(process.sec.run(empty)).unwrap();
    assert_eq!(cloud.tables(), BTreeMap::from([("instance", 1), ("state", 1)]));
    let nothing = ["[]", "[]", "[]", "None"].join(" ");
    assert_eq!(cloud.ids("state"), [format!("stopped: vm {nothing}")]);
}

#[test]
fn a_disk_is_made_from_its_source() {
    let made = [
        [("disk", 1), ("space", 1)].as_slice(),
        &[("crucible", 1), ("disk", 1), ("region", 3), ("space", 1), ("volume", 1)],
        &[("crucible", 1), ("disk", 1), ("pantry", 1), ("region", 3), ("space", 1), ("volume", 1)],
        &[("disk", 1), ("local", 1), ("space", 1)],
    ];
    for (new, made) in new_disks().into_iter().zip(made) {
        let cloud = Cloud::default();
        let process = Process::start(&cloud, &MemoryStore::new(), sagas);
        let saga = DiskCreate { project: Uuid::from_u128(9), new: new.clone() };
        let disk = process.until(process.sec.run(saga)).unwrap();
        assert_eq!(cloud.ids("disk"), [disk.id.to_string()], "{new:?}");
        assert_eq!(cloud.tables(), made.iter().copied().collect(), "{new:?}");
    }
}

#[test]
fn a_failure_at_each_node_leaves_nothing() {
    let nodes = complete().0.nodes();
    assert_eq!(nodes.len(), 32, "{nodes:?}");
    for (node, many) in nodes {
        // one that breaks off has done a part of its work, which counts where there is more than one part
        let trouble = if many { Trouble::BreaksOff } else { Trouble::Refuses };
        let cloud = Rows::with(&node, trouble);
        let error = run(&cloud, &MemoryStore::new()).unwrap_err();
        let SagaError::RolledBack(report) = error else { panic!("{trouble:?} at {node}: {error}") };
        assert_eq!(report.failed_node().unwrap(), node.as_str());
        assert_eq!(cloud.tables(), BTreeMap::new(), "{trouble:?} at {node}");
    }
}

/// Of every node that has an action, those without effects too.
#[test]
fn an_injected_error_at_each_node_leaves_nothing() {
    let store = MemoryStore::new();
    run(&Cloud::default(), &store).unwrap();
    let process = Process::start(&Cloud::default(), &store, sagas);
    let log = process.until(store.load(&"x".parse().unwrap())).unwrap().unwrap().entries;
    let nodes = log.iter().filter(|entry| entry.kind.name() == "started");
    let nodes = nodes.filter_map(|entry| entry.node().cloned()).collect::<Vec<_>>();
    assert_eq!(nodes.len(), 49);
    for node in nodes {
        let cloud = Cloud::default();
        // one call at a time, and it is taken until the error is in
        let process = Process::start(&cloud, &MemoryStore::new(), |builder| {
            sagas(builder).saga::<Hold>().max_calls(1)
        });
        let sec = &process.sec;
        let error = process.until(async {
            sec.saga(Hold {}).start().await.unwrap();
            let handle = sec.saga(request()).id("x").start().await.unwrap();
            sec.operator("test").inject("x", node.clone(), Fault::Error).await.unwrap();
            cloud.open_gate();
            handle.await.unwrap_err()
        });
        let SagaError::RolledBack(report) = error else { panic!("at {node}: {error}") };
        assert_eq!(report.failed_node(), Some(&node));
        assert_eq!(cloud.tables(), BTreeMap::new(), "error at {node}");
    }
}

#[test]
fn a_crash_after_each_effect_changes_nothing() {
    let (whole, tables) = complete();
    for (node, _) in whole.nodes() {
        let (cloud, store) = (Rows::with(&node, Trouble::Hangs), MemoryStore::new());
        let process = Process::start(&cloud, &store, sagas);
        process.until(async {
            process.sec.saga(request()).id("x").start().await.unwrap();
            cloud.stands_still().await;
        });
        drop(process);
        cloud.mend();
        let id = go_on(&cloud, &store).unwrap();
        assert_eq!(cloud.ids("instance"), [id.to_string()], "crash at {node}");
        assert_eq!(cloud.tables(), tables, "crash at {node}");
    }
}

/// The saga is cancelled while a call is under way that has had its effect, and then the process dies.
#[test]
fn a_cancel_and_a_crash_after_each_effect_leave_nothing() {
    for (node, _) in complete().0.nodes() {
        let (cloud, store) = (Rows::with(&node, Trouble::Hangs), MemoryStore::new());
        let process = Process::start(&cloud, &store, sagas);
        process.until(async {
            process.sec.saga(request()).id("x").start().await.unwrap();
            cloud.stands_still().await;
            process.sec.operator("test").cancel("x", "changed my mind").await.unwrap();
        });
        drop(process);
        cloud.mend();
        let error = go_on(&cloud, &store).unwrap_err();
        assert!(matches!(error, SagaError::RolledBack(_)), "crash at {node}: {error}");
        assert_eq!(cloud.tables(), BTreeMap::new(), "crash at {node}");
    }
}
