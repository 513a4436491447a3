//! The type that is written is another.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let _flights: Vec<Hotel> = for leg in [&trip.flight] { book_flight { leg } };
        poke {};
    }
}

fn main() {}
