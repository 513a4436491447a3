//! A `for`, `if` or `match` without a name that is not the last line.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        for leg in [&trip.flight] { book_flight { leg } }
        if trip.nights > 3 { rent_car { city: &trip.city } }
        parallel {
            match trip.nights { _ => poke {} }
        }
        poke {};
    }
}

fn main() {}
