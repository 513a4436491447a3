//! A value where the node gives a reference.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> String {
        let quote = price_trip { trip };
        let _sum = add { a: quote.cents, b: trip.nights };
        note { text: trip.city }
    }
}

fn main() {}
