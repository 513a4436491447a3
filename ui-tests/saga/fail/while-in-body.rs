//! Loops, in a body too.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let _a = while trip.nights > 3 { poke {} };
        let _b = for leg in [&trip.flight] { loop { book_flight { leg } } };
        poke {};
    }
}

fn main() {}
