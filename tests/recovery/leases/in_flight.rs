//! The lease ends while the store is busy: with a creation, a load, an append.

use saga_core::SagaStatus;

use super::*;

type Hold = watch::Sender<bool>;

/// Holds up the answers to calls that fit, after they have taken effect, until this is sent `true`.
fn hold_up(store: &ScriptedStore, fits: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Hold {
    let (hold, held) = watch::channel(false);
    store.after(move |call| {
        let mut held = held.clone();
        fits(call).then(|| {
            Box::pin(async move {
                drop(held.wait_for(|over| *over).await);
                Ok(())
            }) as _
        })
    });
    hold
}

fn is_create(call: &Call) -> bool {
    matches!(call, Call::Create(_))
}

/// Makes sure that nothing begins for a while.
async fn nothing_begins(world: &W) {
    let before = world.begun();
    sleep(A_WHILE).await;
    assert_eq!(world.begun(), before, "something began without a lease");
}

#[tokio::test]
async fn a_saga_that_is_being_created_is_neither_lost_nor_run_too_early() {
    let case = async |how| {
        let (world, store) = (W::default(), store());
        let sec = builder(&world, &store).build().await.unwrap();
        let hold = hold_up(&store, is_create);
        let start = tokio::spawn(sec.saga(Pair {}).id("x").start());
        no_renewal(&store, sec.worker_id(), how);
        until_lease_ends(sec.worker_id(), &store).await;
        sleep(A_WHILE).await;
        assert!(!start.is_finished(), "nobody knows yet whether it was created");
        hold.send_replace(true);
        let handle = soon(start).await.unwrap().unwrap();
        nothing_begins(&world).await;
        assert_eq!((handle.status(), world.begun()), (SagaStatus::Running, vec![]), "{how:?}");
        store.heal();
        assert_eq!(soon(handle).await.unwrap(), "do b");
    };
    tokio::join!(case(Renewal::Fails), case(Renewal::Hangs));
}

#[tokio::test]
async fn a_saga_that_is_started_without_a_lease_waits_for_it() {
    let (world, store) = (W::default(), store());
    let sec = builder(&world, &store).build().await.unwrap();
    no_renewal(&store, sec.worker_id(), Renewal::Fails);
    until_lease_ends(sec.worker_id(), &store).await;
    let handle = sec.saga(Pair {}).id("x").start().await.unwrap();
    let again = sec.saga(Pair {}).id("x").start().await.unwrap();
    nothing_begins(&world).await;
    store.heal();
    assert_eq!(soon(handle).await.unwrap(), "do b");
    assert_eq!(soon(again).await.unwrap(), "do b");
}

/// The worker has its lease again by the time it hears that it has created the saga, and another one has taken that over.
#[tokio::test]
async fn a_saga_that_another_worker_has_taken_before_its_creation_was_known_is_left_to_it() {
    let (world, store) = (World::with_closed(&["do a"]), store());
    let first = builder(&W::default(), &store).build().await.unwrap();
    let _second = builder(&world, &store).build().await.unwrap();
    let hold = hold_up(&store, is_create);
    let start = tokio::spawn(first.saga(Pair {}).id("x").start());
    no_renewal(&store, first.worker_id(), Renewal::Fails);
    world.hears("do a").await;
    store.before(|_| None);
    until(|| store.is_alive(first.worker_id())).await;
    // until the first knows that it has its lease again
    sleep(A_WHILE).await;
    hold.send_replace(true);
    let handle = soon(start).await.unwrap().unwrap();
    sleep(A_WHILE).await;
    assert_eq!(first.context().begun(), Vec::<String>::new(), "both workers call the action");
    world.open();
    assert_eq!(soon(handle).await.unwrap(), "do b");
    assert_eq!(world.begun(), ["do a", "do b"]);
}

#[tokio::test]
async fn an_append_whose_answer_comes_after_the_lease_starts_nothing() {
    let (world, store) = (W::default(), store());
    let sec = builder(&world, &store).build().await.unwrap();
    let hold = hold_up(
        &store,
        |call| matches!(call, Call::Append(_, kinds) if kinds.contains(&"started")),
    );
    let handle = sec.saga(Pair {}).id("x").start().await.unwrap();
    world.hears("do a").await;
    no_renewal(&store, sec.worker_id(), Renewal::Fails);
    until_lease_ends(sec.worker_id(), &store).await;
    hold.send_replace(true);
    nothing_begins(&world).await;
    store.heal();
    assert_eq!(soon(handle).await.unwrap(), "do b");
}

#[tokio::test]
async fn a_saga_that_is_being_loaded_is_not_run_too_early() {
    let (world, store) = (World::with_closed(&["do a"]), store());
    let first = builder(&world, &store).build().await.unwrap();
    drop(first.saga(Pair {}).id("x").start().await.unwrap());
    first.shutdown(Duration::ZERO).await.unwrap();
    world.open();
    let before = world.begun();
    let hold = hold_up(&store, |call| matches!(call, Call::Load(_)));
    let second = builder(&world, &store).build().await.unwrap();
    until(|| store.calls().iter().any(|call| matches!(call, Call::Load(_)))).await;
    no_renewal(&store, second.worker_id(), Renewal::Fails);
    until_lease_ends(second.worker_id(), &store).await;
    hold.send_replace(true);
    sleep(A_WHILE).await;
    assert_eq!(world.begun(), before);
    store.heal();
    let handle = second.get::<Pair>("x").await.unwrap().unwrap();
    assert_eq!(soon(handle).await.unwrap(), "do b");
}
