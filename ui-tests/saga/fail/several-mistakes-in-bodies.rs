//! Each of several mistakes in bodies is reported.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let _a = for leg in [&trip.flight] {
            let flight = book_flight(leg);
            let car = rent_car { city: &leg.t };
            let hotel = book_hotel { city: &leg.to };
        };
        let _b = match trip.nights {
            0 => rent_car { city: 3 },
            _ => rent_cat { city: "x" },
        };
    }
}

fn main() {}
