//! Faults in the body of a `try`, in its `else`, and after both: all of what ran to its end remains, or nothing.

use saga_core::prelude::*;
use saga_core::testing::{Ended, IdempotentService, SagaTest, ServiceError};

#[derive(Default)]
struct Agency {
    bookings: IdempotentService<String>,
}

#[saga_action(undo = cancel(output?))]
async fn book(cx: &ActionContext<Agency>, what: &str) -> Result<String, ServiceError> {
    cx.bookings.call(cx, || Ok::<_, String>(what.to_string()))
}
async fn cancel(cx: &ActionContext<Agency>, _what: Option<&String>) -> Result<(), ServiceError> {
    cx.bookings.undo(cx).map(drop)
}

saga! {
    Ride<Agency>() -> String {
        let ride = try {
            let taxi = book { what: "taxi" };
            let driver = book { what: "driver" };
            { format!("{taxi} {driver}") }
        } else {
            book { what: "train" }
        };
        let meal = try { book { what: "meal" } };
        book { what: "insurance" };
        { format!("{ride} {}", meal.is_ok()) }
    }
}

#[test]
fn whatever_goes_wrong_in_a_try_the_rest_is_there_or_nothing_is() {
    let test = SagaTest::<Ride>::new(Agency::default, Ride {});
    let report = test.check_all(async |ended: &Ended<Ride>| {
        let mut there = ended.context().bookings.effects();
        there.sort();
        let mut expected = Vec::new();
        if let Ok(ride) = ended.result() {
            expected.push("insurance");
            expected.extend(ride.ends_with("true").then_some("meal"));
            match ride.starts_with("train") {
                true => expected.push("train"),
                false => expected.extend(["driver", "taxi"]),
            }
        }
        expected.sort_unstable();
        assert_eq!(there, expected);
    });
    assert!(report.runs() > 50, "{}", report.runs());
}
