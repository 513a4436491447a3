//! A small world for actions to act on, and a saga with everything that a DAG can contain.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use saga_core::dag::DagBuilder;
use saga_core::log::{Entry, EntryKind, NodeEntry, SagaEntry, Uuid};
use saga_core::prelude::*;
use saga_core::store::{MemoryStore, NewSaga, Store, StoredSaga};
use saga_core::typed::SagaOutput;
use saga_core::{Saga, SagaId, SagaStatus};
use serde::{Deserialize, Serialize};

pub(crate) type Any = Box<dyn std::error::Error + Send + Sync>;

/// An operation on the world, and the sequence number of the log entry that authorized it.
#[derive(Clone)]
pub(crate) struct Op {
    pub(crate) path: String,
    pub(crate) key: Uuid,
    pub(crate) undo: bool,
    pub(crate) seq: u64,
}

#[derive(Default)]
pub(crate) struct Lab {
    effects: Mutex<BTreeMap<Uuid, String>>,
    ops: Mutex<Vec<Op>>,
    fails: Mutex<Option<String>>,
}

pub(crate) type World = Arc<Lab>;
pub(crate) type Cx = ActionContext<World>;

impl Lab {
    /// Creates a world in which the action of this node fails.
    pub(crate) fn failing(path: Option<&str>) -> World {
        let fails = Mutex::new(path.map(str::to_string));
        Arc::new(Self { fails, ..Self::default() })
    }

    /// Creates a world in which these operations have already happened.
    pub(crate) fn after<'o>(path: Option<&str>, ops: impl Iterator<Item = &'o Op>) -> World {
        let world = Self::failing(path);
        for op in ops {
            let mut effects = world.effects.lock().unwrap();
            if op.undo {
                effects.remove(&op.key);
            } else {
                effects.insert(op.key, op.path.clone());
            }
        }
        world
    }

    /// Returns the paths of the nodes that have an effect.
    pub(crate) fn effects(&self) -> BTreeSet<String> {
        self.effects.lock().unwrap().values().cloned().collect()
    }

    pub(crate) fn ops(&self) -> Vec<Op> {
        self.ops.lock().unwrap().clone()
    }

    pub(crate) fn done(&self, cx: &Cx) -> Result<(), String> {
        let path = cx.node_path().to_string();
        if self.fails.lock().unwrap().as_ref() == Some(&path) {
            return Err(format!("{path} fails"));
        }
        let (key, seq) = (cx.idempotency_key(), cx.token().seq);
        self.effects.lock().unwrap().insert(key, path.clone());
        self.ops.lock().unwrap().push(Op { path, key, undo: false, seq });
        Ok(())
    }

    pub(crate) fn undone(&self, cx: &Cx) {
        let (path, key) = (cx.node_path().to_string(), cx.action_key());
        self.effects.lock().unwrap().remove(&key);
        self.ops.lock().unwrap().push(Op { path, key, undo: true, seq: cx.token().seq });
    }
}

#[saga_action(undo = unmake(output, what))]
pub(crate) async fn make(cx: &ActionContext<World>, what: &str) -> Result<String, String> {
    cx.done(cx)?;
    Ok(format!("<{what}>"))
}
async fn unmake(cx: &Cx, output: &str, what: &str) -> Result<(), String> {
    cx.undone(cx);
    // The inputs must be the same as those of the action.
    if output == format!("<{what}>") { Ok(()) } else { Err(format!("{output} of {what}")) }
}

#[saga_action(undo = clean(what))]
pub(crate) async fn ready(cx: &ActionContext<World>, what: &str) -> Result<String, String> {
    cx.done(cx)?;
    Ok(what.to_uppercase())
}
async fn clean(cx: &Cx, _what: &str) -> Result<(), String> {
    cx.undone(cx);
    Ok(())
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Storage {
    None,
    Local,
    Remote,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Vm {
    pub(crate) name: String,
    pub(crate) storage: Storage,
    pub(crate) disks: Vec<String>,
}

pub(crate) fn vm(name: &str, storage: Storage, disks: &[&str]) -> Vm {
    let disks = disks.iter().map(|disk| disk.to_string()).collect();
    Vm { name: name.to_string(), storage, disks }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Address {
    name: String,
}

impl Saga for Address {
    type Context = World;
    type Output = String;
    const NAME: &'static str = "Address";

    fn define(dag: &mut DagBuilder<World>) -> SagaOutput<String> {
        let name = dag.param("name", |saga: &Self| &saga.name);
        let reserved = dag.step("reserved", &[("what", &[name.id()])], move |cx| {
            cx.call(make { what: name.get(cx) })
        });
        dag.step("announced", &[("what", &[reserved.id()])], move |cx| {
            cx.call(ready { what: reserved.get(cx) })
        });
        dag.ends_with(reserved)
    }
}

/// For each machine: a subsaga and then, depending on its storage, two steps per local disk, one remote step, or
/// nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Provision {
    pub(crate) vms: Vec<Vm>,
}

impl Saga for Provision {
    type Context = World;
    type Output = String;
    const NAME: &'static str = "Provision";

    fn define(dag: &mut DagBuilder<World>) -> SagaOutput<String> {
        let vms = dag.param("vms", |saga: &Self| &saga.vms);
        let net = dag.step("net", &[], |cx| cx.call(make { what: "net" }));
        let machines = dag.for_each(
            "machines",
            &[("items", &[vms.id()])],
            move |cx| vms.get(cx),
            |dag, vm| {
                let address =
                    dag.subsaga("address", &[("name", &[vm.id(), net.id()])], move |cx| Address {
                        name: format!("{}{}", vm.get(cx).name, net.get(cx)),
                    });
                let which = &[("storage", &[vm.id()] as &[_])];
                let disks = dag.choose(
                    "disks",
                    which,
                    move |cx| match vm.get(cx).storage {
                        Storage::None => None,
                        Storage::Local => Some(0),
                        Storage::Remote => Some(1),
                    },
                    |arms| {
                        arms.arm(|dag| {
                            let items = &[("items", &[vm.id()] as &[_])];
                            let local = dag.for_each(
                                "local",
                                items,
                                move |cx| &vm.get(cx).disks,
                                |dag, disk| {
                                    let from = [disk.id(), net.id()];
                                    let volume =
                                        dag.step("volume", &[("what", &from)], move |cx| {
                                            cx.call(make { what: disk.get(cx) })
                                        });
                                    let from = [volume.id(), address.id(), disk.id()];
                                    let mount = dag.step("mount", &[("what", &from)], move |cx| {
                                        cx.block(async move {
                                            let (at, disk) = (address.get(cx), disk.index(cx));
                                            let what = format!("{}:{disk}{at}", volume.get(cx));
                                            cx.call(ready { what: &what }).await
                                        })
                                    });
                                    dag.ends_with(mount)
                                },
                            );
                            dag.ends_with(local)
                        });
                        arms.arm(|dag| {
                            let remote = dag.step("remote", &[("what", &[vm.id()])], move |cx| {
                                cx.call(ready { what: &vm.get(cx).name })
                            });
                            let list = dag.value("list", &[("it", &[remote.id()])], move |cx| {
                                cx.value(vec![remote.get(cx).clone()])
                            });
                            dag.ends_with(list)
                        });
                    },
                );
                let from = [address.id(), disks.id()];
                let summary = dag.value("summary", &[("of", &from)], move |cx| {
                    let disks = disks.get(cx).as_ref().map(|disks| disks.join("+"));
                    cx.value(format!("{} {disks:?}", address.get(cx)))
                });
                dag.ends_with(summary)
            },
        );
        let last = dag.step("last", &[("what", &[machines.id()])], move |cx| {
            cx.block(async move { cx.call(make { what: &machines.get(cx).join(", ") }).await })
        });
        dag.ends_with(last)
    }
}

/// Four machines: without storage, with three disks, with remote storage, and with an empty list of disks.
pub(crate) fn provision() -> Provision {
    Provision {
        vms: vec![
            vm("a", Storage::None, &[]),
            vm("b", Storage::Local, &["x", "y", "z"]),
            vm("c", Storage::Remote, &[]),
            vm("d", Storage::Local, &[]),
        ],
    }
}

pub(crate) async fn stored(store: &MemoryStore, id: &str) -> Result<StoredSaga, Any> {
    Ok(store.load(&id.parse::<SagaId>()?).await?.ok_or("not stored")?)
}

/// Creates a store as if the saga's process had died after the first `len` entries.
pub(crate) async fn cut(saga: &StoredSaga, len: usize) -> Result<MemoryStore, Any> {
    let store = MemoryStore::new();
    let entries = saga.entries[..len].to_vec();
    let mut record = saga.record.clone();
    record.next_seq = len as u64 + 1;
    record.owner = None;
    record.error = None;
    record.status = match entries.last().and_then(Entry::saga_entry) {
        Some(SagaEntry::Ended(status)) => *status,
        _ => SagaStatus::Running,
    };
    store.create(NewSaga { record, entries }).await?;
    Ok(store)
}

/// Creates the world and the store as if the saga's process had died after the first `len` entries, with the
/// effects that these entries authorized.
pub(crate) async fn crashed(
    world: &World,
    fails: Option<&str>,
    saga: &StoredSaga,
    len: usize,
) -> Result<(World, MemoryStore), Any> {
    let ops = world.ops();
    let authorized = ops.iter().filter(|op| op.seq <= len as u64);
    Ok((Lab::after(fails, authorized), cut(saga, len).await?))
}

/// Returns the numbers of items and of arms that were chosen, by node.
pub(crate) fn chosen(entries: &[Entry]) -> BTreeMap<String, u64> {
    let chosen = entries.iter().filter_map(|entry| match &entry.kind {
        EntryKind::Node { node, entry: NodeEntry::Chosen(n), .. } => Some((node.to_string(), *n)),
        _ => None,
    });
    chosen.collect()
}

/// Returns the paths of the nodes that have an entry of this kind.
pub(crate) fn with(entries: &[Entry], kind: &str) -> BTreeSet<String> {
    let entries = entries.iter().filter(|entry| entry.kind.name() == kind);
    entries.filter_map(|entry| entry.node()).map(ToString::to_string).collect()
}
