//! A misspelled variable in a body.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let _flights = for leg in [&trip.flight] { book_flight { leg: lag } };
        poke {};
    }
}

fn main() {}
