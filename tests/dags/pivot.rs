//! Where the pivot may stand in a DAG, and options of nodes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use saga_core::action::{ActionFunc, ActionRegistry};
use saga_core::dag::{Dag, DagBuilder, Node, SagaDag};
use saga_core::prelude::*;
use saga_core::typed::SagaOutput;
use saga_core::{BoxError, Retry, Saga};
use serde::{Deserialize, Serialize};

type Any = Box<dyn std::error::Error + Send + Sync>;

fn node(name: &str) -> Result<Node<()>, Any> {
    let act = ActionFunc::<(), u32>::new_noop_undo("act", |_cx| async { Ok::<_, BoxError>(1) })?;
    Ok(Node::action(name, act)?)
}

fn forever(name: &str) -> Result<Node<()>, Any> {
    Ok(node(name)?.retry(Retry::forever()))
}

/// The error of a DAG of these stages, each of one node or several side by side.
fn refused(stages: Vec<Vec<Node<()>>>) -> Result<String, Any> {
    let mut dag = DagBuilder::new("Order")?;
    for stage in stages {
        dag.append_parallel(stage)?;
    }
    Ok(dag.build().err().ok_or("accepted")?.to_string())
}

#[test]
fn every_node_is_before_or_after_the_pivot() -> Result<(), Any> {
    let mut dag = DagBuilder::new("Order")?;
    dag.append(node("first")?)?;
    dag.append_parallel([node("left")?, node("right")?])?;
    dag.append(node("charge")?.pivot())?;
    dag.append_parallel([forever("ship")?, forever("mail")?])?;
    let dag = dag.build()?;
    assert_eq!(dag.pivot(), dag.node_index("charge"));
    assert_eq!(dag.plan().pivot(), Some(3));

    let beside = refused(vec![vec![node("charge")?.pivot(), node("car")?]])?;
    let expected = "node 'car' may run at the same time as the pivot 'charge'; put it before or after the point of no return";
    assert_eq!(beside, expected);
    let two = vec![vec![node("charge")?.pivot()], vec![forever("ship")?.pivot()]];
    let expected = "nodes 'charge' and 'ship' are both the pivot; a saga has one at most";
    assert_eq!(refused(two)?, expected);
    Ok(())
}

#[test]
fn nodes_after_the_pivot_must_retry_forever_at_any_depth() -> Result<(), Any> {
    let pivot = || Ok::<_, Any>(vec![node("charge")?.pivot()]);
    let gives_up = refused(vec![pivot()?, vec![forever("pack")?], vec![node("ship")?]])?;
    let expected = "node 'ship' runs after the pivot 'charge', but may give up; use an action with `retry(forever)`, or say so on the node";
    assert_eq!(gives_up, expected);

    let parcel = |node: Node<()>| {
        let mut inner = DagBuilder::new("Parcel")?;
        inner.append(node)?;
        let mut outer = DagBuilder::new("Parcels")?;
        outer.append(Node::constant("list", vec![1])?)?;
        outer.append(Node::for_each("each", inner.build()?, "list")?)?;
        Ok::<_, Any>(Node::choose("parcels", [outer.build()?], "charge")?)
    };
    let gives_up = refused(vec![pivot()?, vec![parcel(node("ship")?)?]])?;
    assert!(gives_up.starts_with("node 'parcels/each/ship' runs after"), "{gives_up}");
    let mut dag = DagBuilder::new("Order")?;
    dag.append(node("charge")?.pivot())?.append(parcel(forever("ship")?)?)?;
    dag.build()?;
    Ok(())
}

#[test]
fn a_pivot_must_be_a_node_of_the_saga_itself() -> Result<(), Any> {
    let inner = || {
        let mut inner = DagBuilder::new("Inner")?;
        inner.append(node("charge")?.pivot())?;
        Ok::<_, Any>(inner.build()?)
    };
    let expected = |inside: &str| {
        format!(
            "node 'charge' cannot be the pivot inside '{inside}': the point of no return must be in the saga itself, not in an instance, an arm or a subsaga"
        )
    };
    let first = || Ok::<_, Any>(vec![node("first")?]);
    let sub = Node::subsaga("sub", inner()?, "first")?;
    assert_eq!(refused(vec![first()?, vec![sub]])?, expected("sub"));
    let each = Node::for_each("each", inner()?, "first")?;
    assert_eq!(refused(vec![first()?, vec![each]])?, expected("each"));
    let arm = Node::choose("arm", [inner()?], "first")?;
    assert_eq!(refused(vec![first()?, vec![arm]])?, expected("arm"));
    assert_eq!(Dag::of::<InArm>().unwrap_err().to_string(), expected("chosen"));
    Ok(())
}

#[saga_action(no_undo)]
async fn act() -> Result<(), String> {
    Ok(())
}

#[derive(Serialize, Deserialize)]
struct InArm {}

impl Saga for InArm {
    type Context = ();
    type Output = ();
    const NAME: &'static str = "InArm";

    fn define(dag: &mut DagBuilder<()>) -> SagaOutput<()> {
        dag.choose(
            "chosen",
            &[],
            |_| 0,
            |arms| {
                arms.arm(|dag| {
                    let charge = dag.step("charge", &[], |cx| cx.call(act {}));
                    dag.adjust(charge, |node| node.pivot());
                    dag.ends_with(charge)
                });
            },
        );
        dag.ends()
    }
}

#[test]
fn options_that_mean_nothing_for_a_node_are_refused() -> Result<(), Any> {
    let constant = || Node::<()>::constant("rate", 3);
    let error = refused(vec![vec![constant()?.pivot()]])?;
    assert_eq!(error, "node 'rate' cannot have a `pivot`: it runs no action");
    let error = refused(vec![vec![constant()?.retry(Retry::forever())]])?;
    assert_eq!(error, "node 'rate' cannot have a `retry`: it runs no action");
    let error = refused(vec![vec![constant()?.timeout(Duration::from_secs(1))]])?;
    assert_eq!(error, "node 'rate' cannot have a `timeout`: it runs no action");
    let error = refused(vec![vec![node("act")?.concurrency(3)]])?;
    assert_eq!(error, "node 'act' cannot have a `concurrency`: it is not a `for`");
    Ok(())
}

#[tokio::test]
async fn options_of_a_node_override_those_of_its_action() -> Result<(), Any> {
    let tries = Arc::new(AtomicU32::new(0));
    let mut actions = ActionRegistry::<()>::new();
    let counted = tries.clone();
    let flaky = ActionFunc::new_noop_undo("flaky", move |_cx| {
        let tries = counted.fetch_add(1, Ordering::SeqCst) + 1;
        async move { if tries < 3 { Err::<u32, BoxError>("not yet".into()) } else { Ok(tries) } }
    })?;
    let flaky = actions.register(flaky)?;
    let hangs = ActionFunc::new_noop_undo("hangs", |_cx| async {
        std::future::pending::<()>().await;
        Ok::<u32, BoxError>(1)
    })?;
    let hangs = actions.register(hangs)?;
    let sec = Coordinator::builder(()).actions(actions.clone()).build().await?;

    let retry = Retry::up_to(3).base(Duration::ZERO);
    let mut dag = DagBuilder::new("Flaky")?;
    dag.append(Node::shared_action("flaky", flaky.clone())?.retry(retry))?;
    let dag = dag.build()?;
    // the same after a restart: what the node says is in the stored DAG
    let dag = Dag::from_json(dag.to_json().to_string().as_bytes(), &actions)?;
    assert_eq!(sec.saga_dag(SagaDag::new(dag, &())?).start().await?.await?, 3);

    let mut dag = DagBuilder::new("Hangs")?;
    dag.append(Node::shared_action("hangs", hangs)?.timeout(Duration::from_millis(1)))?;
    let dag = Dag::from_json(dag.build()?.to_json().to_string().as_bytes(), &actions)?;
    let error = sec.saga_dag(SagaDag::new(dag, &())?).start().await?.await.unwrap_err();
    assert!(error.to_string().contains("timed out after 1ms"), "{error}");
    Ok(())
}

#[test]
fn the_pivot_is_in_the_fingerprint_and_the_rest_is_not() -> Result<(), Any> {
    let print = |how: &dyn Fn(Node<()>) -> Node<()>| {
        let mut dag = DagBuilder::new("Order")?;
        dag.append(how(node("charge")?))?;
        Ok::<_, Any>(dag.build()?.fingerprint().to_string())
    };
    let plain = print(&|node| node)?;
    assert_ne!(plain, print(&|node| node.pivot())?);
    let said = print(&|node| {
        node.label("Charge").retry(Retry::forever()).timeout(Duration::from_secs(1))
    })?;
    assert_eq!(plain, said);
    Ok(())
}
