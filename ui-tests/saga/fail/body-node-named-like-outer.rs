//! A node in a body has the name of one around it.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let car = rent_car { city: &trip.city };
        let _flights = for leg in [&trip.flight] {
            let car = book_flight { leg };
            let leg = rent_car { city: "x" };
            let trip = rent_car { city: "x" };
        };
        note { text: &car.id.to_string() };
    }
}

fn main() {}
