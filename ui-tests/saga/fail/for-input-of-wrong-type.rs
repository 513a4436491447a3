//! An item of another type than the input.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let _flights = for leg in [&trip.city] { book_flight { leg } };
        poke {};
    }
}

fn main() {}
