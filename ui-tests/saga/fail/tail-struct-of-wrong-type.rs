//! The struct is another one.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Itinerary {
        let quote = price_trip { trip };
        Payment { id: String::new(), cents: quote.cents }
    }
}

fn main() {}
