//! Handles and events follow their saga through every process that runs it.

use saga_core::events::Events;
use saga_core::operator::Decision;

use super::*;

saga! {
    #[allow(unused_variables)]
    Order<W>() -> String {
        let a = plain {};
        #[pivot]
        #[retry(max = 1)]
        let p = out {};
        { p.clone() }
    }
}

type Handle = SagaHandle<serde_json::Value>;

fn handle(x: &Fixture) -> Handle {
    x.process.until(x.process.sec.get("x")).unwrap().unwrap()
}

fn await_it(x: &Fixture, handle: &Handle) -> Result<serde_json::Value, SagaError> {
    x.process.until(async { handle.clone().await })
}

/// All events that are there, up to an end.
fn kinds(x: &Fixture, events: &mut Events) -> Vec<&'static str> {
    x.process.until(async {
        let mut kinds = Vec::new();
        while let Some(event) = events.next().await {
            kinds.push(event.unwrap().kind.as_str());
        }
        kinds
    })
}

#[test]
fn a_handle_sees_that_its_saga_is_rolled_back_after_its_end() {
    // it is tried again after a second
    let x = started(&[("a", &[Do::Fails])]);
    let older = handle(&x);
    let mut events = older.events();
    await_it(&x, &older).unwrap();
    assert_eq!(kinds(&x, &mut events).last(), Some(&"ended"));
    let at_rest = handle(&x);
    let mut later = at_rest.events();
    assert!(kinds(&x, &mut later).is_empty(), "it has ended, and nothing more comes");

    x.process.until(x.operator.rollback("x", "destroy")).unwrap();
    for handle in [&older, &at_rest] {
        assert!(matches!(await_it(&x, handle), Err(SagaError::RolledBack(_))));
        assert_eq!(handle.status(), SagaStatus::RolledBack);
    }
    let expected = x.kinds().into_iter().skip_while(|kind| *kind != "requested");
    let expected = expected.collect::<Vec<_>>();
    assert_eq!(kinds(&x, &mut events), expected);
    assert_eq!(kinds(&x, &mut later), expected);
}

/// Its pivot took effect and panicked.
fn parked(scripts: &[(&str, &[Do])]) -> Fixture {
    let x = Fixture::new(scripts, |builder| builder.saga::<Order>());
    x.process.until(x.process.sec.saga(Order {}).id("x").start()).unwrap();
    let older = handle(&x);
    assert!(matches!(await_it(&x, &older), Err(SagaError::Parked { .. })));
    x
}

#[test]
fn a_handle_of_a_parked_saga_resumes_when_it_is_unparked() {
    let x = parked(&[("p", &[Do::Panics])]);
    let at_rest = handle(&x);
    let mut events = at_rest.events();
    // who waits now is told now
    assert!(matches!(await_it(&x, &at_rest), Err(SagaError::Parked { .. })));
    x.process.until(x.operator.unpark("x")).unwrap();
    assert_eq!(await_it(&x, &at_rest).unwrap(), "p");
    assert_eq!(at_rest.status(), SagaStatus::Completed);
    let log = x.kinds().into_iter().skip_while(|kind| *kind != "requested");
    assert_eq!(kinds(&x, &mut events), log.collect::<Vec<_>>());
}

#[test]
fn a_waiter_of_a_resumed_saga_learns_its_next_end() {
    let x = parked(&[("p", &[Do::Panics, Do::Panics])]);
    let older = handle(&x);
    x.process.until(x.operator.unpark("x")).unwrap();
    // it is parked once more
    assert!(matches!(await_it(&x, &older), Err(SagaError::Parked { .. })));
    let decided = x.operator.decide("x", "p", Decision::Succeeded("p".into()), "looked");
    x.process.until(decided).unwrap();
    assert_eq!(await_it(&x, &older).unwrap(), "p");
}

#[test]
fn starting_a_saga_again_under_its_id_changes_nothing() {
    let x = started(&[]);
    let older = handle(&x);
    await_it(&x, &older).unwrap();
    x.process.until(async {
        let again = tokio::spawn(x.process.sec.saga(Three {}).id("x").start());
        while !again.is_finished() {
            assert_eq!(older.status(), SagaStatus::Completed);
            tokio::task::yield_now().await;
        }
        again.await.unwrap().unwrap().await.unwrap();
    });
    assert_eq!(older.status(), SagaStatus::Completed);
}

#[test]
fn a_handle_of_a_deleted_saga_follows_the_next_one_with_its_id() {
    let x = started(&[]);
    let older = handle(&x);
    await_it(&x, &older).unwrap();
    assert!(x.process.until(x.store.delete(&"x".parse().unwrap())).unwrap());
    x.world.script("a", [Do::Fails, Do::Fails, Do::Fails]);
    x.process.until(x.process.sec.saga(Three {}).id("x").start()).unwrap();
    assert!(matches!(await_it(&x, &older), Err(SagaError::RolledBack(_))));
}
