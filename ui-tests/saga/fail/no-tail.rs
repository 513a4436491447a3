//! The last line is missing.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> String {
        let _quote = price_trip { trip };
        note { text: &trip.city };
    }
}

fn main() {}
