//! The lease ends in the middle of a saga, wherever that is.

use saga_core::Saga;
use saga_core::store::{Store, StoreError};

use super::*;

/// Runs a saga until this call has begun, which waits. Then the lease ends, and the call could go on: nothing begins
/// before the lease can be renewed again. Returns how the saga ends after that.
async fn interrupted<S: Saga<Context = W>>(
    how: Renewal,
    world: &W,
    saga: S,
    call: &str,
    calls: usize,
) -> Result<S::Output, SagaError> {
    let store = store();
    let sec = builder(world, &store).max_calls(calls).build().await.unwrap();
    let handle = sec.saga(saga).id("x").start().await.unwrap();
    world.hears(call).await;
    no_renewal(&store, sec.worker_id(), how);
    until_lease_ends(sec.worker_id(), &store).await;
    let before = world.begun();
    world.open();
    // longer than it waits between attempts
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.begun(), before, "something began without a lease");
    assert!(!handle.status().is_ended());
    let asked = sec.operator("ann").cancel("x", "enough").await.unwrap_err();
    assert!(asked.to_string().contains("could not renew its lease"), "{asked}");
    assert!(!sec.health().is_good(), "{}", sec.health());
    store.heal();
    let ended = soon(handle).await;
    assert!(sec.health().is_good(), "{}", sec.health());
    ended
}

#[tokio::test]
async fn in_the_middle_of_a_call() {
    let case = async |how| {
        let world = World::with_closed(&["do a"]);
        let ended = interrupted(how, &world, Pair {}, "do a", 8).await;
        assert_eq!(ended.unwrap(), "do b", "{how:?}");
    };
    tokio::join!(case(Renewal::Fails), case(Renewal::Hangs));
}

#[tokio::test]
async fn between_two_attempts() {
    let world = W::default();
    world.fail("do b", 1);
    let ended = interrupted(Renewal::Fails, &world, Retried {}, "do b", 8).await;
    assert_eq!(ended.unwrap(), "do b");
}

#[tokio::test]
async fn among_many_calls_of_which_some_wait_for_permits() {
    let world = World::with_closed(&["do n0", "do n1"]);
    let each = Each { names: (0..6).map(|n| format!("n{n}")).collect() };
    let each = interrupted(Renewal::Fails, &world, each, "do n1", 2);
    let world = World::with_closed(&["do a"]);
    let both = interrupted(Renewal::Fails, &world, Both {}, "do b", 8);
    let (each, both) = tokio::join!(each, both);
    assert_eq!((each.unwrap(), both.unwrap()), (6, ()));
}

#[tokio::test]
async fn during_a_compensation() {
    let world = World::with_closed(&["undo a"]);
    world.fail("do b", 1);
    let in_an_undo = interrupted(Renewal::Fails, &world, Pair {}, "undo a", 8);
    let world = W::default();
    world.fail("do b", 1);
    world.fail("undo a", 1);
    let between_attempts = interrupted(Renewal::Fails, &world, Pair {}, "undo a", 8);
    let (one, other) = tokio::join!(in_an_undo, between_attempts);
    assert!(matches!(one, Err(SagaError::RolledBack(_))), "{one:?}");
    assert!(matches!(other, Err(SagaError::RolledBack(_))), "{other:?}");
}

#[tokio::test]
async fn while_a_call_keeps_the_thread() {
    let (world, store) = (W::default(), store());
    let sec = builder(&world, &store).build().await.unwrap();
    let millis = (LEASE + A_WHILE).as_millis() as u64;
    let handle = sec.saga(Blocks { millis }).id("x").start().await.unwrap();
    world.hears("do block").await;
    no_renewal(&store, sec.worker_id(), Renewal::Fails);
    sleep(A_WHILE).await;
    assert_eq!(world.begun(), ["do block"], "the second call began long after its check");
    store.heal();
    soon(handle).await.unwrap();
}

/// The lease ends, and begins again because of an answer that was on its way, while nobody can look.
#[tokio::test]
async fn while_a_call_keeps_the_thread_and_a_renewal_succeeds() {
    let (world, mut terms) = (W::default(), LeaseTerms::new(LEASE));
    terms.renew_every = LEASE * 2 / 3;
    let store = ScriptedStore::leased(terms);
    let sec = builder(&world, &store).build().await.unwrap();
    let asked = Arc::new(tokio::sync::Notify::new());
    let (ask, there) = (asked.clone(), world.clone());
    store.before(move |call| {
        let (ask, there) = (ask.clone(), there.clone());
        matches!(call, Call::Renew(_)).then(|| {
            Box::pin(async move {
                ask.notify_one();
                there.hears("do block").await;
                Ok(())
            }) as _
        })
    });
    soon(asked.notified()).await;
    let millis = (LEASE / 2).as_millis() as u64;
    let handle = sec.saga(Blocks { millis }).id("x").start().await.unwrap();
    soon(handle).await.unwrap();
}

#[tokio::test]
async fn while_it_shuts_down() {
    let case = async |how| {
        let (world, store) = (World::with_closed(&["do a"]), store());
        let sec = builder(&world, &store).build().await.unwrap();
        let running = sec.saga(Pair {}).id("x").start().await.unwrap();
        world.hears("do a").await;
        no_renewal(&store, sec.worker_id(), how);
        // the call could take a minute more
        let shutdown = soon(sec.shutdown(Duration::from_secs(60))).await.unwrap();
        assert!(shutdown.blocked.is_empty());
        assert!(matches!(soon(running).await, Err(SagaError::ShutDown { .. })));
        assert_eq!(world.begun(), ["do a"]);
        store.heal();
        world.open();
        let next = builder(&world, &store).build().await.unwrap();
        let found = next.get::<Pair>("x").await.unwrap().unwrap();
        assert_eq!(soon(found).await.unwrap(), "do b");
    };
    tokio::join!(case(Renewal::Fails), case(Renewal::Hangs));
}

#[tokio::test]
async fn before_it_shuts_down() {
    let case = async |how| {
        let (world, store) = (World::with_closed(&["do a"]), store());
        let sec = builder(&world, &store).build().await.unwrap();
        let waits = sec.saga(Pair {}).id("x").start().await.unwrap();
        no_renewal(&store, sec.worker_id(), how);
        until_lease_ends(sec.worker_id(), &store).await;
        let started = sec.saga(Pair {}).id("y").start().await.unwrap();
        soon(sec.shutdown(Duration::from_secs(60))).await.unwrap();
        assert!(matches!(soon(waits).await, Err(SagaError::ShutDown { .. })));
        assert!(matches!(soon(started).await, Err(SagaError::ShutDown { .. })));
        let refused = sec.saga(Pair {}).id("z").start().await;
        assert!(!matches!(refused, Err(StartError::Store(StoreError::Failed { .. }))));
        let owner = store.memory.list(Default::default()).await.unwrap().pop().unwrap().owner;
        assert_eq!(owner, None, "it is released");
    };
    tokio::join!(case(Renewal::Fails), case(Renewal::Hangs));
}
