//! The point of no return: once the pivot has succeeded, a saga only goes forward.

use std::sync::Arc;
use std::time::Duration;

use crate::common::world::{Do, Fixture, World, bare, maybe, plain, refusal};
use saga_core::dag::DagBuilder;
use saga_core::operator::{Answer, Decision, OperateError, Refusal};
use saga_core::prelude::*;
use saga_core::typed::SagaOutput;
use saga_core::{CoordinatorBuilder, Retry, Saga};

type W = Arc<World>;

/// a, then the pivot, then b, which never gives up.
#[derive(serde::Serialize, serde::Deserialize)]
struct Order;

impl Saga for Order {
    type Context = W;
    type Output = String;
    const NAME: &'static str = "Order";
    fn define(dag: &mut DagBuilder<W>) -> SagaOutput<String> {
        dag.step("a", &[], |cx| cx.call(plain {}));
        let pivot = dag.step("pivot", &[], |cx| cx.call(maybe {}));
        dag.adjust(pivot, |node| node.pivot().retry(Retry::up_to(2).base(Duration::from_secs(1))));
        let b = dag.step("b", &[("word", &[pivot.id()])], move |cx| {
            assert_eq!(pivot.get(cx), "pivot");
            cx.call(bare {})
        });
        dag.adjust(b, |node| node.retry(Retry::forever().base(Duration::from_secs(1))));
        dag.ends_with(pivot)
    }
}

fn sagas(builder: CoordinatorBuilder<W>) -> CoordinatorBuilder<W> {
    builder.saga::<Order>()
}

fn started(scripts: &[(&str, &[Do])]) -> Fixture {
    let x = Fixture::new(scripts, sagas);
    let deadline = Duration::from_secs(3600);
    x.process.until(x.process.sec.saga(Order).id("x").deadline(deadline).start()).unwrap();
    x
}

fn end(x: &Fixture) -> Result<String, SagaError> {
    x.end::<Order>()
}

/// Leaves a cancellation with the saga, and what it will be told.
fn cancel(x: &Fixture) -> tokio::task::JoinHandle<Result<Answer, OperateError>> {
    let operator = x.operator.clone();
    let (asked,) = x.process.until(async {
        let asked = tokio::spawn(async move { operator.cancel("x", "too late?").await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        (asked,)
    });
    asked
}

fn past_pivot() -> Refusal {
    Refusal::PastPivot { pivot: "pivot".into() }
}

#[test]
fn before_the_pivot_a_saga_can_be_cancelled() {
    let x = started(&[("a", &[Do::Waits])]);
    x.process.until(x.world.hears("do a", 1));
    assert_eq!(x.process.until(x.operator.cancel("x", "no")).unwrap(), Answer::Done);
    assert!(matches!(end(&x), Err(SagaError::RolledBack(_))));
    assert!(x.world.effects().is_empty());
}

#[test]
fn a_cancellation_during_the_pivot_is_held_and_refused_if_it_succeeds() {
    let mut x = started(&[("pivot", &[Do::Hangs])]);
    x.process.until(x.world.hears("do pivot", 1));
    let asked = cancel(&x);
    assert!(!asked.is_finished(), "held as long as the pivot is in flight");
    // it is in the log, and outlives the process; the pivot is run again and works
    x.kill_and_restart();
    assert_eq!(end(&x).unwrap(), "pivot");
    assert_eq!(x.world.effects(), ["a", "b", "pivot"]);
    let kinds = x.kinds();
    let (requested, refused) = (
        kinds.iter().position(|kind| *kind == "requested").unwrap(),
        kinds.iter().position(|kind| *kind == "refused").unwrap(),
    );
    assert!(requested < refused, "{kinds:?}");
}

#[test]
fn a_cancellation_during_the_pivot_is_applied_if_it_fails() {
    let x = started(&[("pivot", &[Do::Fails, Do::Works])]);
    // it is tried again after a second: until then it is open
    x.process.until(x.world.hears("do pivot", 1));
    let answer = x.process.until(x.operator.cancel("x", "in between"));
    assert_eq!(answer.unwrap(), Answer::Done);
    let error = end(&x).unwrap_err();
    assert!(error.to_string().contains("cancelled: in between"), "{error}");
    assert_eq!(x.world.count("do pivot"), 1);
    assert!(x.world.effects().is_empty());
}

#[test]
fn after_the_pivot_a_saga_cannot_be_cancelled() {
    let x = started(&[("b", &[Do::Fails; 20])]);
    x.process.until(x.world.hears("do b", 1));
    assert_eq!(refusal(x.process.until(x.operator.cancel("x", "no"))), past_pivot());
    // the deadline passes meanwhile: that is said, and nothing else happens
    x.process.until(async { tokio::time::sleep(Duration::from_secs(4000)).await });
    assert_eq!(end(&x).unwrap(), "pivot");
    assert_eq!(refusal(x.process.until(x.operator.rollback("x", "destroy"))), past_pivot());
    assert_eq!(x.world.effects(), ["a", "b", "pivot"]);
    assert!(!x.kinds().contains(&"unwinding"));
}

#[test]
fn a_pivot_that_fails_unwinds() {
    let x = started(&[("pivot", &[Do::Fails, Do::Fails])]);
    let Err(SagaError::RolledBack(report)) = end(&x) else { panic!("rolled back") };
    assert_eq!(report.failed_node().unwrap(), "pivot");
    assert!(x.world.effects().is_empty());
}

/// The pivot took effect and panicked, both times.
fn in_doubt() -> Fixture {
    let x = started(&[("pivot", &[Do::Panics, Do::Panics])]);
    let Err(SagaError::Parked { reason, .. }) = end(&x) else { panic!("parked") };
    assert!(reason.contains("pivot"), "{reason}");
    assert!(!x.kinds().contains(&"unwinding"));
    x
}

#[test]
fn a_pivot_in_doubt_waits_for_a_human_who_saw_its_effect() {
    let mut x = in_doubt();
    x.kill_and_restart();
    let wrong = x.operator.decide("x", "pivot", Decision::Succeeded(7.into()), "looked");
    let wrong = refusal(x.process.until(wrong));
    assert!(wrong.to_string().contains("not an output of node `pivot`"), "{wrong}");
    let seen = Decision::Succeeded("pivot".into());
    let decided = x.operator.decide("x", "pivot", seen, "it is on the statement");
    assert_eq!(x.process.until(decided).unwrap(), Answer::Done);
    assert_eq!(end(&x).unwrap(), "pivot");
    assert_eq!(x.world.effects(), ["a", "b", "pivot"]);
}

#[test]
fn a_pivot_in_doubt_waits_for_a_human_who_saw_none() {
    let x = in_doubt();
    let asked = x.operator.decide("x", "pivot", Decision::Failed, "not on the statement");
    assert_eq!(x.process.until(asked).unwrap(), Answer::Done);
    assert!(matches!(end(&x), Err(SagaError::RolledBack(_))));
    assert_eq!(x.world.count("undo a"), 1);
}

#[test]
fn a_cancellation_of_a_pivot_in_doubt_is_refused_until_it_is_decided() {
    let x = in_doubt();
    let why = refusal(x.process.until(x.operator.cancel("x", "no longer wanted")));
    assert_eq!(why, Refusal::PivotInDoubt { pivot: "pivot".into() });
    let asked = x.operator.decide("x", "pivot", Decision::Failed, "not on the statement");
    assert_eq!(x.process.until(asked).unwrap(), Answer::Done);
    let error = end(&x).unwrap_err();
    assert!(!error.to_string().contains("cancelled"), "{error}");
}

#[test]
fn a_cancellation_that_was_there_before_the_pivot_was_in_doubt_is_held() {
    let x = started(&[("pivot", &[Do::Panics, Do::Panics])]);
    // it is tried again after a second, and is in doubt until then
    x.process.until(x.world.hears("do pivot", 1));
    let answer = x.process.until(x.operator.cancel("x", "no longer wanted"));
    assert_eq!(answer.unwrap(), Answer::Held);
    assert_eq!(x.world.count("do pivot"), 2);
    let asked = x.operator.decide("x", "pivot", Decision::Failed, "not on the statement");
    assert_eq!(x.process.until(asked).unwrap(), Answer::Done);
    let error = end(&x).unwrap_err();
    assert!(error.to_string().contains("cancelled: no longer wanted"), "{error}");
}

saga! {
    Unsaid<W>() -> String {
        let _a = plain {};
        #[pivot]
        let p = bare {};
        { p.clone() }
    }
}

#[test]
fn a_pivot_in_doubt_parks_after_ten_attempts_by_default() {
    for (panics, ends_well) in [(9, true), (10, false)] {
        let x = Fixture::new(&[("p", &[Do::Panics; 10][..panics])], |b| b.saga::<Unsaid>());
        x.process.until(x.process.sec.saga(Unsaid {}).id("x").start()).unwrap();
        match x.end::<Unsaid>() {
            Ok(p) => assert!(ends_well && p == "p"),
            Err(SagaError::Parked { .. }) => assert!(!ends_well),
            Err(error) => panic!("{error}"),
        }
        assert_eq!(x.world.count("do p"), 10);
        assert_eq!(x.world.count("undo _a"), 0);
    }
}

#[test]
fn a_pivot_in_doubt_can_be_tried_again() {
    let x = in_doubt();
    // it is parked, not stuck
    let wrong = refusal(x.process.until(x.operator.retry("x", "pivot")));
    assert!(matches!(wrong, Refusal::NotFailed { .. }), "{wrong}");
    x.process.until(x.operator.unpark("x")).unwrap();
    assert_eq!(end(&x).unwrap(), "pivot");
}
