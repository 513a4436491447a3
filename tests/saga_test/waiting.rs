//! Sagas that wait: a test tells them of events, and says which it lacks.

use std::time::Duration;

use saga_core::prelude::*;
use saga_core::testing::{CallFault, Ended, SagaTest};

use crate::messages::message;

#[saga_event]
struct Approved {
    by: String,
}

#[saga_event]
struct Unheard {}

#[saga_action(no_undo)]
async fn file(by: &str) -> Result<String, String> {
    Ok(by.to_string())
}

saga! {
    Publish<()>() -> String {
        let approved = wait_for::<Approved> {};
        file { by: &approved.by }
    }

    /// The second wait is for an event that nobody sends.
    Twice<()>() -> bool {
        let first = wait_for::<Approved> {};
        let second = wait_for::<Approved> { timeout: Duration::from_secs(3600) };
        { !first.by.is_empty() && second.is_some() }
    }

    Later<()>() -> String {
        sleep { duration: Duration::from_secs(3 * 24 * 3600) };
        file { by: "nobody" }
    }
}

fn ada() -> Approved {
    Approved { by: "Ada".to_string() }
}

async fn by_ada(ended: &Ended<Publish>) {
    if let Ok(by) = ended.result() {
        assert_eq!(by, "Ada");
    }
}

#[test]
fn a_saga_is_told_of_its_event_whatever_goes_wrong() {
    let report = SagaTest::<Publish>::new(|| (), Publish {}).signal(ada()).check_all(by_ada);
    assert!(report.to_string().contains("crash before"), "{report}");
    // it has waited by then
    let hour = Duration::from_secs(3600);
    SagaTest::<Publish>::new(|| (), Publish {}).signal_after(hour, ada()).check_all(by_ada);
}

/// Each process tells it again, and it knows that event by its id.
#[test]
fn an_event_that_is_told_again_after_a_crash_is_no_second_one() {
    let test = SagaTest::<Twice>::new(|| (), Twice {}).signal(ada());
    test.check_all(async |ended: &Ended<Twice>| {
        if let Ok(told_twice) = ended.result() {
            assert!(!told_twice);
        }
    });
}

#[test]
fn a_wait_that_no_event_ends_is_reported() {
    let why = message(|| SagaTest::<Publish>::new(|| (), Publish {}).check(by_ada));
    assert!(why.starts_with("Publish: never ended: not within 30 days"), "{why}");
    assert!(why.contains("approved waiting"), "{why}");
}

#[test]
fn an_event_that_the_saga_does_not_wait_for_is_reported() {
    let why = message(|| {
        SagaTest::<Publish>::new(|| (), Publish {}).signal(Unheard {}).check(by_ada);
    });
    assert!(why.contains("the saga cannot be told of an event: "), "{why}");
    assert!(why.contains("`Unheard`"), "{why}");
}

/// Its deadline, without which the call would hang for ever, comes after the sleep.
#[test]
fn a_call_behind_a_long_wait_is_reached_by_a_fault_that_needs_a_deadline() {
    let test = SagaTest::<Later>::new(|| (), Later {}).fault("file", CallFault::Hang);
    test.check(async |ended: &Ended<Later>| assert!(!ended.completed()));
}
