//! Cases 1, 2, 4, 7, 8, 9: each saga twice, built at run time and written as `saga!`. Both have the same
//! log and the same effects.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use saga_core::action::{ActionFunc, ActionRegistry};
use saga_core::dag::{Dag, DagBuilder, Node, SagaDag};
use saga_core::log::{Entry, EntryKind, SagaEntry};
use saga_core::prelude::*;
use saga_core::store::{MemoryStore, Store, StoredSaga};
use saga_core::{BoxError, Saga, SagaStatus};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

type Any = Box<dyn std::error::Error + Send + Sync>;
type Cx = ActionContext<Arc<Desk>>;

/// Where actions work: what is there, and what was said.
#[derive(Default)]
struct Desk {
    said: Mutex<Vec<String>>,
    fails: Option<&'static str>,
    /// The end of what every action answers, in place of the node's.
    says: Option<&'static str>,
    balance: u64,
}

impl Desk {
    fn failing(node: &'static str) -> Self {
        Self { fails: Some(node), ..Self::default() }
    }
}

fn done(cx: &Cx) -> Result<String, String> {
    let node = cx.node_path().to_string();
    if cx.fails == Some(node.as_str()) {
        return Err(format!("{node} fails"));
    }
    cx.said.lock().unwrap().push(format!("do {node}"));
    let says = cx.says.unwrap_or_else(|| node.rsplit('_').next().unwrap_or_default());
    Ok(format!("result_{says}"))
}

fn undone(cx: &Cx) {
    cx.said.lock().unwrap().push(format!("undo {}", cx.node_path()));
}

#[saga_action(undo = unact(output))]
async fn act(cx: &ActionContext<Arc<Desk>>) -> Result<String, String> {
    done(cx)
}
async fn unact(cx: &Cx, _output: &str) -> Result<(), String> {
    undone(cx);
    Ok(())
}

/// The same actions for DAGs that are built at run time. Errors are kept as JSON by saying so; the attribute
/// sees by itself that they can be.
fn actions() -> Result<ActionRegistry<Arc<Desk>>, Any> {
    async fn undo<O>(cx: Cx, _output: Arc<O>) -> Result<(), BoxError> {
        undone(&cx);
        Ok(())
    }
    let mut actions = ActionRegistry::new();
    actions.register(ActionFunc::new("act", |cx: Cx| async move { kept(done(&cx)) }, undo)?)?;
    let after_a = |cx: Cx| async move {
        let a = cx.lookup::<String>("node_a")?;
        kept(if *a == "result_a" { done(&cx) } else { Err(format!("{a} is not result_a")) })
    };
    actions.register(ActionFunc::new("after_a", after_a, undo)?)?;
    let check = |cx: Cx| async move {
        let params = cx.saga_params::<Value>()?;
        kept(done(&cx))?;
        let basket = Basket::deserialize(&params["basket"]);
        kept(validate(&basket.map_err(ActionError::new_deserialize)?))
    };
    actions.register(ActionFunc::new("check", check, undo)?)?;
    let charge = |cx: Cx| async move {
        let cents = cx.lookup::<u64>("validate")?;
        kept(pay(&cx, *cents))
    };
    actions.register(ActionFunc::new("charge", charge, undo)?)?;
    let grow = |cx: Cx| async move {
        let before = match cx.ancestors().last().cloned() {
            Some(before) => *cx.lookup::<u64>(before.as_str())?,
            // those of the subsaga are a number
            None => match &*cx.saga_params::<Value>()? {
                Value::Object(fields) => fields["seed"].as_u64().unwrap_or_default(),
                number => number.as_u64().unwrap_or_default(),
            },
        };
        kept(grown(&cx, before))
    };
    actions.register(ActionFunc::new("grow", grow, undo)?)?;
    Ok(actions)
}

fn kept<T>(result: Result<T, String>) -> Result<T, ActionError> {
    result.map_err(ActionError::from_serializable)
}

/// What ran: the outcome, the log without its times, and what was said.
#[derive(Debug, PartialEq)]
struct Ran {
    outcome: Result<Value, String>,
    log: Vec<EntryKind>,
    said: Vec<String>,
    status: SagaStatus,
}

impl Ran {
    fn new(outcome: Result<Value, SagaError>, saga: StoredSaga, desk: &Desk) -> Self {
        let line = |entry: Entry| match entry.kind {
            EntryKind::Saga(SagaEntry::Created { .. }) => SagaEntry::Created {
                run_key: uuid::Uuid::nil(),
                traceparent: None,
                starts_at: None,
            }
            .into(),
            other => other,
        };
        Self {
            outcome: outcome.map_err(|e| e.to_string()),
            log: saga.entries.into_iter().map(line).collect(),
            said: desk.said.lock().unwrap().clone(),
            status: saga.record.status,
        }
    }
}

/// Runs a DAG that was built at run time.
async fn built(dag: Arc<Dag<Arc<Desk>>>, params: &Value, desk: Desk) -> Result<Ran, Any> {
    let (desk, store) = (Arc::new(desk), MemoryStore::new());
    let builder = Coordinator::builder(desk.clone()).store(store.clone()).actions(actions()?);
    let sec = builder.max_concurrency(1).build().await?;
    let saga = sec.saga_dag(SagaDag::new(dag, params)?).id("x").start().await?;
    let outcome = saga.await;
    let stored = store.load(&"x".parse()?).await?.ok_or("lost")?;
    Ok(Ran::new(outcome, stored, &desk))
}

/// Runs a saga that was written down.
async fn written<S: Saga<Context = Arc<Desk>>>(saga: S, desk: Desk) -> Result<Ran, Any> {
    let (desk, store) = (Arc::new(desk), MemoryStore::new());
    let builder = Coordinator::builder(desk.clone()).store(store.clone()).saga::<S>();
    let sec = builder.max_concurrency(1).build().await?;
    sec.saga(saga).id("x").start().await?;
    let outcome = sec.get::<Value>("x").await?.ok_or("lost")?.await;
    let stored = store.load(&"x".parse()?).await?.ok_or("lost")?;
    Ok(Ran::new(outcome, stored, &desk))
}

/// Stages of nodes, each with its action if that is not `act`: `A | B C | D:charge`.
fn stages(stages: &str) -> Result<Arc<Dag<Arc<Desk>>>, Any> {
    let (mut dag, actions) = (DagBuilder::new("Stages")?, actions()?);
    for stage in stages.split('|') {
        let nodes = stage.split_whitespace();
        let nodes = nodes.map(|node| {
            let (name, action) = node.split_once(':').unwrap_or((node, "act"));
            Ok(Node::shared_action(name, actions.get(action)?)?)
        });
        dag.append_parallel(nodes.collect::<Result<Vec<_>, Any>>()?)?;
    }
    Ok(Arc::new(dag.build()?))
}

/// Each node with the names of those that it waits for.
fn waits<C: 'static>(dag: &Dag<C>) -> BTreeMap<String, Vec<String>> {
    let name = |node| dag.node(node).map(|node| node.name().to_string()).unwrap_or_default();
    let node = |name: &str| dag.node_index(name).unwrap();
    let nodes = dag.nodes().map(|n| n.name().to_string());
    nodes.map(|n| (n.clone(), dag.predecessors(node(&n)).map(name).collect())).collect()
}

fn said(ran: &Ran) -> Vec<&str> {
    ran.said.iter().map(String::as_str).collect()
}

saga! {
    #[allow(unused_variables)]
    Order<Arc<Desk>>() {
        let validate = act {};
        parallel {
            let payment = act {};
            let inventory = act {};
        }
        let confirm = act {};
    }
}

#[tokio::test]
async fn case_1_two_nodes_wait_for_one_and_one_for_both() -> Result<(), Any> {
    let dag = stages("validate | payment inventory | confirm")?;
    let waiting = waits(&dag);
    assert_eq!(waiting["payment"], ["validate"]);
    assert_eq!(waiting["inventory"], ["validate"]);
    assert_eq!(waiting["confirm"], ["payment", "inventory"]);
    assert_eq!(waits(&Dag::of::<Order>()?), waiting);
    let ran = built(dag, &json!(null), Desk::default()).await?;
    assert_eq!(said(&ran), ["do validate", "do payment", "do inventory", "do confirm"]);
    assert_eq!(ran.status, SagaStatus::Completed);
    assert_eq!(written(Order {}, Desk::default()).await?.log, ran.log);
    Ok(())
}

saga! {
    #[allow(unused_variables)]
    Tasks<Arc<Desk>>() {
        let setup = act {};
        parallel {
            let task_a = act {};
            let task_b = act {};
            let task_c = act {};
        }
        let cleanup = act {};
    }
}

#[tokio::test]
async fn case_2_the_last_one_waits_for_exactly_three() -> Result<(), Any> {
    let dag = stages("setup | task_a task_b task_c | cleanup")?;
    assert_eq!(waits(&dag)["cleanup"], ["task_a", "task_b", "task_c"]);
    assert_eq!(waits(&Dag::of::<Tasks>()?), waits(&dag));
    let ran = built(dag, &json!(null), Desk::default()).await?;
    assert_eq!(ran.said.len(), 5);
    assert_eq!(written(Tasks {}, Desk::default()).await?.log, ran.log);
    Ok(())
}

#[tokio::test]
async fn case_8_one_of_three_fails_and_the_others_are_undone() -> Result<(), Any> {
    let dag = stages("setup | task_a task_b task_c | cleanup")?;
    let ran = built(dag, &json!(null), Desk::failing("task_b")).await?;
    let error = "saga x rolled back: node `task_b`: action failed: task_b fails";
    assert_eq!(ran.outcome, Err(error.to_string()));
    assert_eq!(said(&ran), ["do setup", "do task_a", "undo task_a", "undo setup"]);
    assert_eq!(ran.status, SagaStatus::RolledBack);
    assert_eq!(written(Tasks {}, Desk::failing("task_b")).await?, ran);
    Ok(())
}

/// A number with one more digit.
fn grown(cx: &Cx, before: u64) -> Result<u64, String> {
    done(cx)?;
    Ok(before * 10 + 1)
}

#[saga_action(undo = ungrow(output))]
async fn grow(cx: &ActionContext<Arc<Desk>>, before: &u64) -> Result<u64, String> {
    grown(cx, *before)
}
async fn ungrow(cx: &Cx, _output: &u64) -> Result<(), String> {
    undone(cx);
    Ok(())
}

saga! {
    Inner<Arc<Desk>>(seed: u64) -> u64 {
        let first_stage = grow { before: seed };
        let second_stage = grow { before: first_stage };
        let third_stage = grow { before: second_stage };
        third_stage
    }
    Outer<Arc<Desk>>(seed: u64) -> u64 {
        let first_stage = grow { before: seed };
        let inner = Inner { seed: *first_stage };
        let second_stage = grow { before: inner };
        let third_stage = grow { before: second_stage };
        third_stage
    }
}

#[tokio::test]
async fn case_4_a_subsaga_has_its_own_names() -> Result<(), Any> {
    let (actions, stages) = (actions()?, ["first_stage", "second_stage", "third_stage"]);
    let node = |name| Ok::<_, Any>(Node::shared_action(name, actions.get("grow")?)?);
    let mut inner = DagBuilder::new("Inner")?;
    for name in stages {
        inner.append(node(name)?)?;
    }
    let mut outer = DagBuilder::new("Outer")?;
    outer.append(node(stages[0])?)?;
    outer.append(Node::subsaga("inner", inner.build_with_output()?, stages[0])?)?;
    outer.append(node(stages[1])?)?.append(node(stages[2])?)?;
    let (outer, params) = (Arc::new(outer.build()?), json!({ "seed": 7 }));

    let inner = ["inner/first_stage", "inner/second_stage", "inner/third_stage"];
    let nodes = [&stages[..1], &inner[..], &stages[1..]].concat();
    let ran = built(outer.clone(), &params, Desk::default()).await?;
    // a digit for each of the six, so each has read the one before it
    assert_eq!(ran.outcome, Ok(7_111_111.into()));
    let said = nodes.iter().map(|node| format!("do {node}"));
    assert_eq!(ran.said, said.collect::<Vec<_>>());
    assert_eq!(written(Outer { seed: 7 }, Desk::default()).await?, ran);

    let ran = built(outer, &params, Desk::failing("third_stage")).await?;
    let error = "saga x rolled back: node `third_stage`: action failed: third_stage fails";
    assert_eq!(ran.outcome, Err(error.to_string()));
    let undone = nodes.iter().rev().skip(1).map(|node| format!("undo {node}"));
    assert_eq!(ran.said[nodes.len() - 1..], undone.collect::<Vec<_>>());
    assert_eq!(written(Outer { seed: 7 }, Desk::failing("third_stage")).await?, ran);
    Ok(())
}

#[saga_action(undo = unact(output))]
async fn after_a(cx: &ActionContext<Arc<Desk>>, a: &str) -> Result<String, String> {
    if a == "result_a" { done(cx) } else { Err(format!("{a} is not result_a")) }
}

saga! {
    Lookups<Arc<Desk>>() -> String {
        let node_a = act {};
        let node_b = after_a { a: node_a };
        let node_c = act {};
        { format!("{node_a} {node_b} {node_c}") }
    }
}

#[tokio::test]
async fn case_7_a_node_sees_what_an_earlier_one_returned() -> Result<(), Any> {
    let dag = stages("node_a | node_b:after_a | node_c")?;
    let ran = built(dag, &json!(null), Desk::default()).await?;
    assert_eq!(said(&ran), ["do node_a", "do node_b", "do node_c"]);
    assert_eq!(ran.outcome, Ok("result_c".into()));
    let typed = written(Lookups {}, Desk::default()).await?;
    assert_eq!(typed.outcome, Ok("result_a result_b result_c".into()));
    // the written one has a node more, that puts its output together
    let of_output =
        |kind: &EntryKind| matches!(kind, EntryKind::Node { node, .. } if *node == "output");
    let outputs = typed.log.iter().filter(|kind| !of_output(kind));
    assert_eq!(outputs.cloned().collect::<Vec<_>>(), ran.log);

    let other = || Desk { says: Some("x"), ..Desk::default() };
    let ran = built(stages("node_a | node_b:after_a | node_c")?, &json!(null), other()).await?;
    let error = "saga x rolled back: node `node_b`: action failed: result_x is not result_a";
    assert_eq!(ran.outcome, Err(error.to_string()));
    assert_eq!(said(&ran), ["do node_a", "undo node_a"]);
    assert_eq!(written(Lookups {}, other()).await?, ran);
    Ok(())
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Basket {
    items: Vec<String>,
    cents: u64,
}

fn validate(basket: &Basket) -> Result<u64, String> {
    if basket.items.is_empty() { Err("nothing is ordered".into()) } else { Ok(basket.cents) }
}

fn pay(cx: &Cx, cents: u64) -> Result<String, String> {
    if cents > cx.balance {
        return Err("declined".into());
    }
    done(cx)
}

#[saga_action(undo = unvalidate(output))]
async fn check(cx: &ActionContext<Arc<Desk>>, basket: &Basket) -> Result<u64, String> {
    done(cx)?;
    validate(basket)
}
async fn unvalidate(cx: &Cx, _cents: &u64) -> Result<(), String> {
    undone(cx);
    Ok(())
}

#[saga_action(undo = unact(output))]
async fn charge(cx: &ActionContext<Arc<Desk>>, cents: &u64) -> Result<String, String> {
    pay(cx, *cents)
}

saga! {
    #[allow(unused_variables)]
    Shop<Arc<Desk>>(basket: Basket) {
        let validate = check { basket };
        let payment = charge { cents: validate };
        let inventory = act {};
        let confirmation = act {};
    }
}

/// The same at run time.
const SHOP: &str = "validate:check | payment:charge | inventory | confirmation";

#[tokio::test]
async fn case_9_an_order_goes_through_or_leaves_nothing() -> Result<(), Any> {
    let basket = Basket { items: vec!["book".into()], cents: 1999 };
    let rich = || Desk { balance: 5000, ..Desk::default() };
    let params = json!({ "basket": basket });
    let ran = built(stages(SHOP)?, &params, rich()).await?;
    assert_eq!(said(&ran), ["do validate", "do payment", "do inventory", "do confirmation"]);
    assert_eq!(ran.status, SagaStatus::Completed);
    assert_eq!(written(Shop { basket: basket.clone() }, rich()).await?.log, ran.log);

    let ran = built(stages(SHOP)?, &params, Desk::default()).await?;
    let error = "saga x rolled back: node `payment`: action failed: declined";
    assert_eq!(ran.outcome, Err(error.to_string()));
    assert_eq!(said(&ran), ["do validate", "undo validate"]);
    assert_eq!(written(Shop { basket }, Desk::default()).await?, ran);
    Ok(())
}
