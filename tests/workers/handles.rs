//! Sagas of another worker: handles, events, requests.

use saga_core::events::EventKind;
use saga_core::{SagaError, SagaStatus};

use crate::shop::{Worker, World, database};

#[test]
fn a_saga_can_be_awaited_and_observed_from_any_worker() {
    let (url, world) = (database(), World::new());
    let (first, second) = (Worker::start(&url, &world), Worker::start(&url, &world));
    let here = first.begin("order");
    // a start with the same input, on another worker
    let there = second.begin("order");
    assert_eq!(there.status(), SagaStatus::Running);
    let mut events = there.events();
    let view = second.run(second.sec.inspect("order")).unwrap().unwrap();
    assert_eq!(view.record.status, SagaStatus::Running);
    second.run(async { tokio::time::sleep(std::time::Duration::from_millis(300)).await });
    world.open();
    assert_eq!(second.run(there.into_future()).unwrap(), "paid order, shipped order");
    assert_eq!(first.run(here.into_future()).unwrap(), "paid order, shipped order");
    let kinds = second.run(async {
        let mut kinds = Vec::new();
        while let Some(event) = events.next().await {
            kinds.push(event.unwrap().kind);
        }
        kinds
    });
    assert!(kinds.contains(&EventKind::Succeeded), "{kinds:?}");
    assert_eq!(kinds.last(), Some(&EventKind::Ended), "{kinds:?}");
}

#[test]
fn a_request_reaches_the_worker_that_runs_the_saga() {
    let (url, world) = (database(), World::new());
    let (first, second) = (Worker::start(&url, &world), Worker::start(&url, &world));
    let handle = first.begin("order");
    let operator = second.sec.operator("ann");
    second.run(operator.pause("order")).unwrap();
    assert!(second.run(second.sec.inspect("order")).unwrap().unwrap().record.paused);
    second.run(operator.resume("order")).unwrap();
    second.run(operator.cancel("order", "the customer called")).unwrap();
    world.open();
    let ended = first.run(handle.into_future());
    assert!(matches!(ended, Err(SagaError::RolledBack(_))), "{ended:?}");
    // and one for a saga that nobody runs
    first.run(first.sec.shutdown(std::time::Duration::ZERO)).unwrap();
    let refused = second.run(operator.pause("order")).unwrap_err();
    assert!(refused.to_string().contains("ended"), "{refused}");
}

#[test]
fn a_handle_that_was_dropped_can_be_had_again_at_once() {
    let (url, world) = (database(), World::new());
    let (first, second) = (Worker::start(&url, &world), Worker::start(&url, &world));
    first.begin("order");
    second.run(async {
        for _ in 0..3 {
            // nothing else runs on this runtime in between
            drop(second.sec.get::<crate::shop::Order>("order").await.unwrap());
            drop(second.sec.get::<crate::shop::Order>("order").await.unwrap());
        }
    });
    let handle = second.get("order");
    world.open();
    assert_eq!(second.run(handle.into_future()).unwrap(), "paid order, shipped order");
}
