//! A DAG inside a DAG: its names are its own, its parameters come from an outer node, and its output is
//! visible.

use std::sync::{Arc, Mutex};

use saga_core::BoxError;
use saga_core::action::{Action, ActionFunc, ActionRegistry};
use saga_core::dag::{DagBuilder, Node, SagaDag};
use saga_core::prelude::*;
use saga_core::store::SqliteStore;

type Any = Box<dyn std::error::Error + Send + Sync>;

#[derive(Default)]
struct Said(Mutex<Vec<String>>);

impl Said {
    fn say(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }
}

type Cx = ActionContext<Arc<Said>>;

struct Kit {
    registry: ActionRegistry<Arc<Said>>,
    stage: Arc<dyn Action<Arc<Said>>>,
    last: Arc<dyn Action<Arc<Said>>>,
}

fn kit() -> Result<Kit, Any> {
    let mut registry = ActionRegistry::new();
    let stage = ActionFunc::new(
        "stage",
        |cx: Cx| async move {
            let params = cx.saga_params::<u64>()?;
            cx.say(format!("do {}", cx.node_path()));
            Ok::<_, BoxError>(*params + 1)
        },
        |cx: Cx, output: Arc<u64>| async move {
            cx.say(format!("undo {} {output}", cx.node_path()));
            Ok::<_, BoxError>(())
        },
    )?;
    let stage = registry.register(stage)?;
    let last = ActionFunc::new_noop_undo("last", |cx: Cx| async move {
        let inner = cx.lookup::<u64>("inner")?;
        match *inner {
            102 => Err::<u64, BoxError>("too much".into()),
            other => Ok(other * 10),
        }
    })?;
    let last = registry.register(last)?;
    Ok(Kit { registry, stage, last })
}

fn nested(kit: &Kit) -> Result<DagBuilder<Arc<Said>>, Any> {
    let mut inner = DagBuilder::new("Inner")?;
    for name in ["first", "second"] {
        inner.append(Node::shared_action(name, kit.stage.clone())?)?;
    }
    let inner = Arc::new(inner.build_with_output()?);
    let mut middle = DagBuilder::new("Middle")?;
    middle.append(Node::shared_action("first", kit.stage.clone())?)?;
    middle.append(Node::subsaga("second", inner.clone(), "first")?)?;
    let mut outer = DagBuilder::new("Outer")?;
    outer.append(Node::shared_action("first", kit.stage.clone())?)?;
    outer.append_parallel([
        Node::subsaga("inner", inner, "first")?,
        Node::subsaga("deep", middle.build_with_output()?, "first")?,
    ])?;
    outer.append(Node::shared_action("last", kit.last.clone())?)?;
    Ok(outer)
}

#[tokio::test]
async fn names_are_their_own_and_outputs_are_visible() -> Result<(), Any> {
    let kit = kit()?;
    let said = Arc::new(Said::default());
    let sec = Coordinator::builder(said.clone()).actions(kit.registry.clone()).build().await?;
    let saga = SagaDag::new(nested(&kit)?.build()?, &1)?;
    // 1 -> first 2 -> inner: 2 + 1 = 3 -> last 30
    assert_eq!(sec.saga_dag(saga).start().await?.await?, 30);
    let mut done = said.0.lock().unwrap().clone();
    done.sort();
    let all = [
        "do deep/first",
        "do deep/second/first",
        "do deep/second/second",
        "do first",
        "do inner/first",
        "do inner/second",
    ];
    assert_eq!(done, all);
    Ok(())
}

#[tokio::test]
async fn a_failure_outside_undoes_what_is_inside_and_the_store_has_it_all() -> Result<(), Any> {
    let kit = kit()?;
    let said = Arc::new(Said::default());
    let dir = tempfile::tempdir()?;
    let store = SqliteStore::open(dir.path().join("sagas.db"))?;
    let builder = Coordinator::builder(said.clone()).store(store).actions(kit.registry.clone());
    let sec = builder.max_concurrency(1).build().await?;
    let saga = SagaDag::new(nested(&kit)?.build()?, &100)?;
    let error = sec.saga_dag(saga).id("s").start().await?.await.unwrap_err();
    assert_eq!(error.to_string(), "saga s rolled back: node `last`: action failed: too much");
    let said = said.0.lock().unwrap().clone();
    let done = said.iter().filter_map(|s| s.strip_prefix("do ")).collect::<Vec<_>>();
    let undone = said.iter().filter_map(|s| s.strip_prefix("undo "));
    let mut undone = undone.filter_map(|s| s.split(' ').next()).collect::<Vec<_>>();
    undone.reverse();
    assert_eq!(done.len(), 6);
    assert_eq!(undone, done, "in exact reverse");
    let found = sec.get::<serde_json::Value>("s").await?.ok_or("lost")?;
    assert!(matches!(found.await, Err(SagaError::RolledBack(_))));
    Ok(())
}

#[test]
fn parameters_must_come_from_an_existing_node() -> Result<(), Any> {
    let kit = kit()?;
    let mut inner = DagBuilder::new("Inner")?;
    inner.append(Node::shared_action("first", kit.stage)?)?;
    let mut outer = DagBuilder::new("Outer")?;
    let node = Node::subsaga("inner", inner.build()?, "frist")?;
    let error = outer.append(node).err().ok_or("accepted")?;
    let expected = "bad subsaga params, node with name 'frist' does not exist in dag";
    assert_eq!(error.to_string(), expected);
    Ok(())
}
