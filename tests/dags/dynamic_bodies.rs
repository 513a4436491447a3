//! DAGs built at run time: `for` and choices over the outputs of nodes, their JSON, and recovery from it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use saga_core::action::{Action, ActionFunc, ActionRegistry};
use saga_core::dag::{Dag, DagBuilder, Node, SagaDag};
use saga_core::prelude::*;
use saga_core::store::{MemoryStore, NewSaga, Store};
use saga_core::{BoxError, SagaId, SagaStatus};
use serde_json::json;

type Any = Box<dyn std::error::Error + Send + Sync>;
type Cx = ActionContext<Arc<World>>;

#[derive(Default)]
struct World {
    effects: Mutex<BTreeMap<String, String>>,
    fails: Option<String>,
}

struct Kit {
    actions: ActionRegistry<Arc<World>>,
    attach: Arc<dyn Action<Arc<World>>>,
    verify: Arc<dyn Action<Arc<World>>>,
    list: Arc<dyn Action<Arc<World>>>,
    last: Arc<dyn Action<Arc<World>>>,
}

fn done(cx: &Cx, what: &str) -> Result<String, BoxError> {
    let path = cx.node_path().to_string();
    if cx.fails.as_ref() == Some(&path) {
        return Err(format!("{path} fails").into());
    }
    cx.effects.lock().unwrap().insert(path, what.to_string());
    Ok(what.to_string())
}

async fn undo(cx: Cx, _output: Option<Arc<String>>) -> Result<(), BoxError> {
    cx.effects.lock().unwrap().remove(cx.node_path().as_str());
    Ok(())
}

fn kit() -> Result<Kit, Any> {
    let mut actions = ActionRegistry::new();
    let attach = ActionFunc::new_undo_maybe(
        "attach",
        |cx: Cx| async move {
            let (disk, host) = (cx.saga_params::<String>()?, cx.lookup::<String>("host")?);
            done(&cx, &format!("{disk} at {host}"))
        },
        undo,
    )?;
    let verify = ActionFunc::new_undo_maybe(
        "verify",
        |cx: Cx| async move {
            let attached = cx.lookup::<String>("attach")?;
            done(&cx, &format!("{attached}, verified"))
        },
        undo,
    )?;
    let list = ActionFunc::new_noop_undo("list", |cx: Cx| async move {
        Ok::<_, BoxError>(cx.saga_params::<Vec<String>>()?.to_vec())
    })?;
    let last = ActionFunc::new_undo_maybe(
        "last",
        |cx: Cx| async move {
            let disks = cx.lookup::<Vec<String>>("disks")?;
            done(&cx, &format!("{} disks: {}", disks.len(), disks.join("; ")))
        },
        undo,
    )?;
    let attach = actions.register(attach)?;
    let verify = actions.register(verify)?;
    let list = actions.register(list)?;
    let last = actions.register(last)?;
    Ok(Kit { actions, attach, verify, list, last })
}

/// Attaches and verifies each disk of a list that an action returns, if it is to.
fn dag(kit: &Kit, attach: Option<usize>) -> Result<Dag<Arc<World>>, Any> {
    let mut disk = DagBuilder::new("Disk")?;
    disk.append(Node::shared_action("attach", kit.attach.clone())?)?;
    disk.append(Node::shared_action("verify", kit.verify.clone())?)?;
    let mut all = DagBuilder::new("All")?;
    all.append(Node::shared_action("list", kit.list.clone())?)?;
    all.append(Node::for_each("disks", disk.build()?, "list")?.concurrency(2))?;
    all.append(Node::shared_action("last", kit.last.clone())?)?;
    let mut dag = DagBuilder::new("Attach")?;
    dag.append(Node::constant("host", "h1".to_string())?)?;
    dag.append(Node::constant("which", attach)?)?;
    dag.append(Node::choose("attached", [all.build()?], "which")?)?;
    Ok(dag.build()?)
}

async fn run(
    kit: &Kit,
    world: &Arc<World>,
    store: &MemoryStore,
    attach: Option<usize>,
) -> Result<Result<serde_json::Value, SagaError>, Any> {
    let builder = Coordinator::builder(world.clone()).store(store.clone());
    let sec = builder.actions(kit.actions.clone()).build().await?;
    let saga = SagaDag::new(dag(kit, attach)?, &["x", "y"])?;
    Ok(sec.saga_dag(saga).id("a").start().await?.await)
}

const OUTPUT: &str = "2 disks: x at h1, verified; y at h1, verified";

#[tokio::test]
async fn a_body_reads_its_item_and_looks_up_what_is_around_it() -> Result<(), Any> {
    let (kit, world) = (kit()?, Arc::new(World::default()));
    assert_eq!(run(&kit, &world, &MemoryStore::new(), Some(0)).await??, OUTPUT);
    let effects = world.effects.lock().unwrap().keys().cloned().collect::<Vec<_>>();
    let expected = [
        "attached#0/disks[0]/attach",
        "attached#0/disks[0]/verify",
        "attached#0/disks[1]/attach",
        "attached#0/disks[1]/verify",
        "attached#0/last",
    ];
    assert_eq!(effects, expected);
    for node in effects {
        let fails = World { fails: Some(node.clone()), ..World::default() };
        let fails = Arc::new(fails);
        let error = run(&kit, &fails, &MemoryStore::new(), Some(0)).await?.unwrap_err();
        assert_eq!(error.failed_node().map(ToString::to_string), Some(node));
        assert!(fails.effects.lock().unwrap().is_empty());
    }
    let world = Arc::new(World::default());
    assert_eq!(run(&kit, &world, &MemoryStore::new(), None).await??, json!(null));
    assert!(world.effects.lock().unwrap().is_empty());
    Ok(())
}

#[tokio::test]
async fn another_process_rebuilds_it_from_the_store_at_any_point() -> Result<(), Any> {
    let (kit, world, store) = (kit()?, Arc::new(World::default()), MemoryStore::new());
    run(&kit, &world, &store, Some(0)).await??;
    let saga = store.load(&"a".parse::<SagaId>()?).await?.ok_or("not stored")?;
    for len in 1..saga.entries.len() {
        let store = MemoryStore::new();
        let (mut record, entries) = (saga.record.clone(), saga.entries[..len].to_vec());
        (record.status, record.owner, record.next_seq) =
            (SagaStatus::Running, None, len as u64 + 1);
        store.create(NewSaga { record, entries }).await?;
        let builder = Coordinator::builder(world.clone()).store(store.clone());
        let sec = builder.actions(kit.actions.clone()).build().await?;
        let handle = sec.get::<serde_json::Value>("a").await?.ok_or("not there")?;
        assert_eq!(handle.await?, OUTPUT, "after entry {len}");
    }
    Ok(())
}

#[test]
fn json_shows_bodies_and_comes_back() -> Result<(), Any> {
    let kit = kit()?;
    let dag = dag(&kit, Some(0))?;
    let json = dag.to_json();
    assert_eq!(json["nodes"][2]["kind"], "choose");
    assert_eq!(json["nodes"][2]["by"], "which");
    let each = &json["nodes"][2]["arms"][0]["nodes"][1];
    assert_eq!((&each["kind"], &each["items"]), (&json!("for_each"), &json!("list")));
    assert_eq!(each["body"]["nodes"][1]["action"], "verify");
    assert_eq!(each["body"]["nodes"][1]["after"], json!(["attach"]));
    assert_eq!(each["concurrency"], 2);
    let again = Dag::from_json(json.to_string().as_bytes(), &kit.actions)?;
    assert_eq!(again.to_json(), json);
    assert_eq!(again.fingerprint(), dag.fingerprint());
    assert_eq!(again.plan(), dag.plan());
    // a limit is not what makes the saga this one, its bodies are
    let changed = |from: &str, to: &str| {
        let text = json.to_string();
        assert!(text.contains(from), "{text}");
        let changed = Dag::from_json(text.replace(from, to).as_bytes(), &kit.actions)?;
        Ok::<_, Any>(changed.fingerprint() == dag.fingerprint())
    };
    assert!(changed("\"concurrency\":2", "\"concurrency\":3")?);
    assert!(!changed("\"action\":\"verify\"", "\"action\":\"attach\"")?);
    Ok(())
}

#[tokio::test]
async fn a_decider_must_exist_and_have_the_right_type() -> Result<(), Any> {
    let kit = kit()?;
    let body = || -> Result<_, Any> {
        let mut body = DagBuilder::new("Body")?;
        body.append(Node::shared_action("list", kit.list.clone())?)?;
        Ok(body.build()?)
    };
    let mut dag = DagBuilder::new("Bad")?;
    let error = dag.append(Node::for_each("each", body()?, "things")?).err().ok_or("accepted")?;
    let expected = "node 'each' reads the output of 'things', which does not exist in dag";
    assert_eq!(error.to_string(), expected);

    let builder = Coordinator::builder(Arc::new(World::default()));
    let sec = builder.actions(kit.actions.clone()).build().await?;
    let ran = async |with: Node<Arc<World>>, node: Node<Arc<World>>| -> Result<String, Any> {
        let mut dag = DagBuilder::new("Bad")?;
        dag.append(with)?.append(node)?;
        let error = sec.saga_dag(SagaDag::new(dag.build()?, &())?).start().await?.await;
        let error = error.err().ok_or("completed")?;
        Ok(error.action_error().map(ToString::to_string).unwrap_or_default())
    };
    let error = ran(Node::constant("n", 7)?, Node::for_each("each", body()?, "n")?).await?;
    assert_eq!(error, "action failed: the output of `n` is not a list");
    let error = ran(Node::constant("n", "x".to_string())?, Node::choose("c", [body()?], "n")?);
    let expected = "action failed: the output of `n` is not an arm's number";
    assert_eq!(error.await?, expected);
    let error = ran(Node::constant("n", 1)?, Node::choose("c", [body()?], "n")?).await?;
    assert_eq!(error, "action failed: arm 1 is chosen, and the last one is 0");
    Ok(())
}

#[tokio::test]
async fn bodies_nested_to_the_limit_are_read_back_and_deeper_ones_refused() -> Result<(), Any> {
    let kit = kit()?;
    let mut dag = DagBuilder::<Arc<World>>::new("Deep")?;
    dag.append(Node::constant("n", 7)?)?;
    let mut dag = dag.build()?;
    let around = |dag| {
        let mut outer = DagBuilder::new("Deep")?;
        outer.append(Node::constant("list", [0])?)?;
        outer.append(Node::for_each("each", dag, "list")?)?;
        Ok::<_, Any>(outer.build())
    };
    for _ in 1..32 {
        dag = around(dag)??;
        let json = dag.to_json().to_string();
        assert_eq!(Dag::from_json(json.as_bytes(), &kit.actions)?.fingerprint(), dag.fingerprint());
    }
    let json = dag.to_json().to_string();
    let error = around(dag)?.err().ok_or("accepted")?.to_string();
    let expected = "node 'each' nests DAGs more than 32 deep; declare the saga as a type, which has no such limit";
    assert_eq!(error, expected);

    let dag = Dag::from_json(json.as_bytes(), &kit.actions)?;
    let builder = Coordinator::builder(Arc::new(World::default()));
    let sec = builder.actions(kit.actions.clone()).build().await?;
    let mut output = sec.saga_dag(SagaDag::new(dag, &())?).start().await?.await?;
    let mut depth = 0;
    while let Some(inner) = output.get_mut(0) {
        output = inner.take();
        depth += 1;
    }
    assert_eq!((depth, output), (31, json!(7)));
    Ok(())
}
