//! An input that the action does not have.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Quote {
        let _flight = book_flight { legg: &trip.flight };
        price_trip { trip }
    }
}

fn main() {}
