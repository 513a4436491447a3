//! An executor has a lease, too.

use saga_core::action::{ActionFunc, ActionRegistry};
use saga_core::dag::{DagBuilder, Node, SagaDag};
use saga_core::executor::SagaExecutor;
use saga_core::store::Store;
use saga_core::{ActionContext, BoxError};

use super::*;

/// An action that acts on this world.
fn act(world: &W) -> ActionFunc<(), String> {
    let (world, undone) = (world.clone(), world.clone());
    let act = ActionFunc::new(
        "act",
        move |cx: ActionContext<()>| {
            let world = world.clone();
            async move {
                let act = world.act(format!("do {}", cx.node_path()));
                act.await.map_err(BoxError::from)
            }
        },
        move |cx: ActionContext<()>, _output| {
            let world = undone.clone();
            async move {
                let act = world.act(format!("undo {}", cx.node_path()));
                act.await.map(drop).map_err(BoxError::from)
            }
        },
    );
    act.unwrap()
}

async fn executor(world: &W, store: &ScriptedStore) -> SagaExecutor<()> {
    let mut dag = DagBuilder::new("ByHand").unwrap();
    for node in ["a", "b"] {
        dag.append(Node::action(node, act(world)).unwrap()).unwrap();
    }
    let saga = SagaDag::new(dag.build().unwrap(), &()).unwrap();
    SagaExecutor::new("x", saga, (), store.clone()).await.unwrap()
}

/// Another worker, which knows the actions.
async fn coordinator(world: &W, store: &ScriptedStore) -> Coordinator<()> {
    let mut actions = ActionRegistry::new();
    actions.register(act(world)).unwrap();
    Coordinator::builder(()).actions(actions).store(store.clone()).build().await.unwrap()
}

#[tokio::test]
async fn nobody_takes_its_saga_over_while_it_lives() {
    let (world, store) = (World::with_closed(&["do a"]), store());
    let (executor, others) = (executor(&world, &store).await, W::default());
    let _coordinator = coordinator(&others, &store).await;
    let ended = tokio::spawn(async move { executor.execute().await });
    world.hears("do a").await;
    sleep(LEASE * 2).await;
    world.open();
    assert_eq!(soon(ended).await.unwrap().unwrap(), "do b");
    assert_eq!(world.begun(), ["do a", "do b"]);
    assert!(others.begun().is_empty());
}

async fn owner(store: &ScriptedStore) -> WorkerId {
    let stored = store.memory.load(&"x".parse().unwrap()).await.unwrap().unwrap();
    stored.record.owner.unwrap()
}

#[tokio::test]
async fn it_stops_when_its_lease_ends_and_can_be_told_to_go_on() {
    let (world, store) = (World::with_closed(&["do a"]), store());
    let executor = executor(&world, &store).await;
    let meanwhile = async {
        world.hears("do a").await;
        let owner = owner(&store).await;
        no_renewal(&store, &owner, Renewal::Fails);
        until_lease_ends(&owner, &store).await;
        world.open();
    };
    let (ended, ()) = tokio::join!(soon(executor.execute()), meanwhile);
    let stopped = ended.unwrap_err();
    assert!(matches!(stopped, SagaError::Store { .. }), "{stopped}");
    assert!(stopped.to_string().contains("could not renew its lease"), "{stopped}");
    let refused = soon(executor.execute()).await.unwrap_err();
    assert!(matches!(refused, SagaError::Store { .. }), "{refused}");
    let refused = soon(executor.rollback()).await.unwrap_err();
    assert!(refused.to_string().contains("no space left"), "{refused}");
    sleep(A_WHILE).await;
    assert_eq!(world.begun(), ["do a"]);
    store.heal();
    assert_eq!(soon(executor.execute()).await.unwrap(), "do b");
    soon(executor.rollback()).await.unwrap();
    assert_eq!(world.begun(), ["do a", "do a", "do b", "undo b", "undo a"]);
}

#[tokio::test]
async fn another_worker_finishes_its_saga_after_its_lease() {
    let (world, store) = (World::with_closed(&["do a"]), store());
    let (executor, others) = (executor(&world, &store).await, World::with_closed(&["do b"]));
    let coordinator = coordinator(&others, &store).await;
    let meanwhile = async {
        world.hears("do a").await;
        no_renewal(&store, &owner(&store).await, Renewal::Fails);
        others.hears("do b").await;
        store.heal();
    };
    let (ended, ()) = tokio::join!(soon(executor.execute()), meanwhile);
    assert!(matches!(ended, Err(SagaError::Store { .. })), "{ended:?}");
    let lost = soon(executor.execute()).await;
    assert!(matches!(lost, Err(SagaError::LostOwnership { .. })), "{lost:?}");
    let lost = soon(executor.rollback()).await.unwrap_err().to_string();
    assert!(lost.contains("no longer run by this process"), "{lost}");
    others.open();
    let handle = coordinator.get::<serde_json::Value>("x").await.unwrap().unwrap();
    assert_eq!(soon(handle).await.unwrap(), "do b");
    assert_eq!(soon(executor.execute()).await.unwrap(), "do b", "as the log says");
    assert_eq!(
        (world.begun(), others.begun()),
        (vec!["do a".into()], vec!["do a".into(), "do b".into()])
    );
}
