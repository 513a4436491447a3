//! Requests of operators while leases end, and sagas change hands.

use saga_core::SagaStatus;
use saga_core::log::{Timestamp, Uuid};
use saga_core::operator::{Answer, Command, Request};
use saga_core::store::{MemoryStore, Store};

use super::*;

#[tokio::test]
async fn a_request_to_a_saga_at_rest_waits_for_the_lease() {
    let (world, store) = (W::default(), store());
    let sec = builder(&world, &store).build().await.unwrap();
    let handle = sec.saga(Pair {}).id("x").start().await.unwrap();
    soon(handle.clone()).await.unwrap();
    no_renewal(&store, sec.worker_id(), Renewal::Fails);
    until_lease_ends(sec.worker_id(), &store).await;
    let operator = sec.operator("ann");
    let asked = tokio::spawn(async move { operator.rollback("x", "a mistake").await });
    sleep(Duration::from_millis(400)).await;
    assert_eq!(world.begun(), ["do a", "do b"], "an undo began without a lease");
    store.heal();
    soon(asked).await.unwrap().unwrap();
    assert!(matches!(soon(handle).await, Err(SagaError::RolledBack(_))));
    assert_eq!(world.begun(), ["do a", "do b", "undo b", "undo a"]);
}

#[tokio::test]
async fn a_request_to_a_saga_that_another_worker_has_taken_is_carried_out_there() {
    let (world, store) = (World::with_closed(&["do a"]), store());
    let first = builder(&world, &store).build().await.unwrap();
    let others = W::default();
    let second = builder(&others, &store).build().await.unwrap();
    let handle = first.saga(Pair {}).id("x").start().await.unwrap();
    world.hears("do a").await;
    // the first has not noticed it
    store.memory.take(second.worker_id(), handle.id()).await.unwrap();
    let asked = soon(first.operator("ann").cancel("x", "enough")).await;
    assert_eq!(asked.unwrap(), Answer::Done);
    assert!(matches!(soon(handle).await, Err(SagaError::RolledBack(_))));
    assert_eq!((world.begun(), others.begun()), (vec!["do a".into()], vec!["undo a".into()]));
}

/// Another worker had the saga until then.
#[tokio::test]
async fn a_request_that_was_answered_before_the_saga_was_taken_is_not_carried_out_again() {
    let (world, store) = (W::default(), store());
    let sec = builder(&world, &store).build().await.unwrap();
    let handle = sec.saga(Pair {}).id("x").start().await.unwrap();
    soon(handle.clone()).await.unwrap();
    let (id, saga, by) = (Uuid::now_v7(), handle.id().clone(), "ann".to_string());
    let (memory, take) = (store.memory.clone(), Call::Take("x".into()));
    let answer = Answer::NothingToDo { status: SagaStatus::Completed };
    let given = answer.clone();
    store.after(move |call| {
        let (memory, answer) = (memory.clone(), given.clone());
        let answers = async move { memory.answer(&WorkerId::from("other"), id, answer).await };
        (*call == take).then(|| Box::pin(answers) as _)
    });
    let command = Command::Rollback { reason: "a mistake".into() };
    store.request(Request { id, saga, command, by, at: Timestamp(1) }).await.unwrap();
    until(|| store.calls().contains(&Call::Take("x".into()))).await;
    sleep(A_WHILE).await;
    assert_eq!(world.begun(), ["do a", "do b"]);
    assert_eq!(store.answer_to(id).await.unwrap(), Some(answer));
    assert_eq!(handle.status(), SagaStatus::Completed);
}

/// Leaves sagas in the store that nobody runs, and a request to cancel each.
async fn leave_requests(store: &impl Store, sec: Coordinator<W>, world: &W) -> Vec<Uuid> {
    let mut requests = Vec::new();
    for n in 0..20 {
        let handle = sec.saga(Pair {}).id(format!("x{n}")).start().await.unwrap();
        let command = Command::Cancel { reason: "enough".into() };
        let (id, saga) = (Uuid::now_v7(), handle.id().clone());
        requests.push(Request { id, saga, command, by: "ann".into(), at: Timestamp(n) });
    }
    until(|| world.begun().len() == 20).await;
    sec.shutdown(Duration::ZERO).await.unwrap();
    let mut ids = Vec::new();
    for request in requests {
        ids.push(request.id);
        store.request(request).await.unwrap();
    }
    ids
}

/// Checks that the next worker carries them out before it does anything else.
async fn carries_out(store: &impl Store, next: Coordinator<W>, ids: Vec<Uuid>) {
    for (n, id) in ids.into_iter().enumerate() {
        let handle = next.get::<Pair>(&format!("x{n}")).await.unwrap().unwrap();
        let ended = soon(handle).await;
        assert!(matches!(ended, Err(SagaError::RolledBack(_))), "x{n}: {ended:?}");
        soon(async {
            while store.answer_to(id).await.unwrap() != Some(Answer::Done) {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
    let begun = next.context().begun();
    assert_eq!(begun, vec!["undo a"; 20], "what was asked before comes first");
}

#[tokio::test]
async fn what_was_asked_before_a_takeover_comes_before_everything_else() {
    let (world, store) = (World::with_closed(&["do a"]), store());
    let ids = leave_requests(&store, builder(&world, &store).build().await.unwrap(), &world).await;
    let next = builder(&W::default(), &store).build().await.unwrap();
    carries_out(&store, next, ids).await;
}

#[tokio::test]
async fn what_was_asked_between_two_processes_comes_before_everything_else() {
    let (world, store) = (World::with_closed(&["do a"]), MemoryStore::new());
    let start = async |world: &W| {
        let builder = Coordinator::builder(world.clone()).saga::<Pair>().store(store.clone());
        builder.build().await.unwrap()
    };
    let ids = leave_requests(&store, start(&world).await, &world).await;
    carries_out(&store, start(&W::default()).await, ids).await;
}
