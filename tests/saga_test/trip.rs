//! The example `trip`, with its own services.

use std::path::Path;

use saga_core::testing::{Ended, SagaLock, SagaTest, TestReport};

use crate::sagas::BookTrip;
use crate::types::{Agency, Card, Leg, TripRequest};
use crate::world::World;

fn book(card: &str, city: &str, deliver_by: &str) -> TestReport {
    let trip = TripRequest {
        flight: Leg { from: "Berlin".into(), to: city.into() },
        city: city.into(),
        nights: 3,
        card: Card { number: card.into() },
        deliver_by: deliver_by.into(),
    };
    let agency = || Agency { world: World::open(Path::new(":memory:"), None).unwrap() };
    let mut test = SagaTest::<BookTrip>::new(agency, BookTrip { trip });
    if city == "Venice" || deliver_by == "fax" {
        test = test.rolls_back();
    }
    let report = test.check_all(async |ended: &Ended<BookTrip>| {
        let booked = ended.context().world.booked().await.unwrap();
        let kinds = booked.values().next().map(|trip| trip.keys().map(|kind| &**kind).collect());
        let kinds: Vec<&str> = kinds.unwrap_or_default();
        let expected: &[&str] = match ended.completed() {
            true => &["car", "flight", "hotel", "payment"],
            false => &[],
        };
        assert_eq!(kinds, expected, "{:?}", ended.result());
    });
    println!("{report}");
    report
}

#[test]
fn the_saga_has_not_changed_unnoticed() {
    SagaLock::at("examples/trip/sagas.lock").saga::<BookTrip>().assert();
}

#[test]
fn a_trip_is_booked_whole_or_not_at_all() {
    let report = book("4242", "Rome", "email");
    assert!(report.runs() > 150, "{}", report.runs());
}

#[test]
fn so_is_one_whose_payment_loses_its_reply() {
    book("9995", "Rome", "email");
}

#[test]
fn so_is_one_that_is_sold_out_and_one_whose_letter_cannot_be_sent() {
    book("4242", "Venice", "email");
    book("4242", "Rome", "fax");
}
