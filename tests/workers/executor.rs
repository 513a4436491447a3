//! A saga that is run by hand, beside coordinators that know its actions.

use std::time::Duration;

use saga_core::action::{ActionFunc, ActionRegistry};
use saga_core::dag::{DagBuilder, Node, SagaDag};
use saga_core::executor::SagaExecutor;
use saga_core::prelude::*;
use saga_core::store::PostgresStore;
use saga_core::{ActionContext, BoxError};
use tokio::runtime::Runtime;

use crate::database::{count, unfinished};
use crate::network::until;
use crate::shop::{LEASE, Shop, World, database};

/// An action that waits for the gate of this world.
fn wait(world: &Shop) -> ActionFunc<(), String> {
    let world = world.clone();
    let wait = move |cx: ActionContext<()>| {
        let world = world.clone();
        async move {
            let _pass = world.gate.acquire().await?;
            world.act(cx.idempotency_key().to_string());
            Ok::<_, BoxError>(cx.node_path().to_string())
        }
    };
    ActionFunc::new_noop_undo("wait", wait).unwrap()
}

async fn store(url: &str) -> PostgresStore {
    let options = PostgresStore::options(url).lease(LEASE).poll_every(Duration::from_millis(100));
    options.connect().await.unwrap()
}

async fn executor(url: &str, world: &Shop) -> SagaExecutor<()> {
    let mut dag = DagBuilder::new("ByHand").unwrap();
    for node in ["a", "b"] {
        dag.append(Node::action(node, wait(world)).unwrap()).unwrap();
    }
    let saga = SagaDag::new(dag.build().unwrap(), &()).unwrap();
    SagaExecutor::new("x", saga, (), store(url).await).await.unwrap()
}

async fn coordinator(url: &str, world: &Shop) -> Coordinator<()> {
    let mut actions = ActionRegistry::new();
    actions.register(wait(world)).unwrap();
    Coordinator::builder(()).actions(actions).store(store(url).await).build().await.unwrap()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn an_executor_keeps_its_saga_while_it_lives_and_a_coordinator_takes_it_over_after_that() {
    let (url, by_hand, others) = (database(), World::new(), World::new());
    let (first, second) = (runtime(), runtime());
    let executor = first.block_on(executor(&url, &by_hand));
    let executing = first.spawn(async move { executor.execute().await });
    // the first to connect creates the tables
    until("it begins", || unfinished(&url) == 1);
    others.open();
    let coordinator = second.block_on(coordinator(&url, &others));
    assert_eq!(second.block_on(coordinator.workers()).unwrap().len(), 2);
    std::thread::sleep(LEASE * 2);
    assert_eq!(others.effects(), 0, "the executor lives");
    assert!(!executing.is_finished());
    // it dies
    first.shutdown_background();
    until("its saga is taken over", || unfinished(&url) == 0);
    let handle = second.block_on(coordinator.get::<serde_json::Value>("x")).unwrap().unwrap();
    assert_eq!(second.block_on(handle.into_future()).unwrap(), "b");
    assert_eq!((by_hand.effects(), others.effects()), (0, 2));
    until("it is forgotten", || count(&url, "SELECT count(*) FROM saga_worker") == 1);
}

#[test]
fn an_executor_runs_its_saga_beside_a_coordinator() {
    let (url, by_hand, others) = (database(), World::new(), World::new());
    let runtime = runtime();
    let coordinator = runtime.block_on(coordinator(&url, &others));
    let executor = runtime.block_on(executor(&url, &by_hand));
    let opened = by_hand.clone();
    let meanwhile = async move {
        tokio::time::sleep(LEASE * 2).await;
        opened.open();
    };
    let (ended, ()) = runtime.block_on(async { tokio::join!(executor.execute(), meanwhile) });
    assert_eq!(ended.unwrap(), "b");
    assert_eq!((by_hand.effects(), others.effects()), (2, 0));
    runtime.block_on(executor.rollback()).unwrap();
    runtime.block_on(coordinator.shutdown(Duration::ZERO)).unwrap();
}
