//! The expression has another type.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Itinerary {
        let quote = price_trip { trip };
        { quote.cents }
    }
}

fn main() {}
