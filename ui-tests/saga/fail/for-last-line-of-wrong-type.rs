//! The last line gives another type.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Vec<Hotel> {
        for leg in [&trip.flight] { book_flight { leg } }
    }
}

fn main() {}
