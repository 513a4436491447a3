//! The named node returns something else.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Itinerary {
        let quote = price_trip { trip };
        quote
    }
}

fn main() {}
