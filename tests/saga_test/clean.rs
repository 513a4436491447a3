//! A trip that is booked whole or not at all.

use saga_core::prelude::*;
use saga_core::testing::{Ended, IdempotentService, SagaTest, ServiceError};

#[derive(Default)]
struct Agency {
    flights: IdempotentService<String>,
    rooms: IdempotentService<String>,
    payments: IdempotentService<u32>,
}

#[saga_action(undo = cancel_flight(output?), retry(max = 3))]
async fn book_flight(cx: &ActionContext<Agency>, to: &str) -> Result<String, ServiceError> {
    tokio::task::yield_now().await;
    cx.flights.call(cx, || Ok::<_, String>(format!("a flight to {to}")))
}
async fn cancel_flight(
    cx: &ActionContext<Agency>,
    _flight: Option<&String>,
) -> Result<(), ServiceError> {
    cx.flights.undo(cx).map(drop)
}

#[saga_action(undo = cancel_room(output), retry(max = 2), timeout = "10s")]
async fn book_room(cx: &ActionContext<Agency>, to: &str) -> Result<String, ServiceError> {
    cx.rooms.call(cx, || Ok::<_, String>(format!("a room in {to}")))
}
async fn cancel_room(cx: &ActionContext<Agency>, _room: &str) -> Result<(), ServiceError> {
    cx.rooms.undo(cx).map(drop)
}

#[saga_action(undo = refund())]
async fn pay(cx: &ActionContext<Agency>, cents: u32) -> Result<u32, ServiceError> {
    cx.payments.call(cx, || Ok::<_, String>(cents))
}
async fn refund(cx: &ActionContext<Agency>) -> Result<(), ServiceError> {
    cx.payments.undo(cx).map(drop)
}

#[saga_action(no_undo, retry(forever))]
async fn send_letter(flight: &str, room: &str) -> Result<String, String> {
    Ok(format!("{flight}, {room}"))
}

saga! {
    BookTrip<Agency>(to: String, cents: u32) -> String {
        parallel {
            let flight = book_flight { to };
            let room = book_room { to };
        }
        pay { cents: *cents };
        send_letter { flight, room }
    }
}

#[test]
fn a_trip_is_booked_whole_or_not_at_all() {
    let trip = BookTrip { to: "Rome".into(), cents: 900 };
    let test = SagaTest::<BookTrip>::new(Agency::default, trip);
    let report = test.check_all(async |ended: &Ended<BookTrip>| {
        let agency = ended.context();
        let there = [
            agency.flights.effects().len(),
            agency.rooms.effects().len(),
            agency.payments.effects().len(),
        ];
        assert_eq!(there, [usize::from(ended.completed()); 3], "{:?}", ended.result());
    });
    println!("{report}");
    assert!(report.runs() > 80, "{}", report.runs());
    let shown = report.to_string();
    let row = |what: &str, times: usize| {
        assert_eq!(shown.matches(what).count(), times, "{what}: {shown}")
    };
    row("nothing goes wrong           completed", 1);
    row("undo: deadline meanwhile     rolled back", 3);
}
