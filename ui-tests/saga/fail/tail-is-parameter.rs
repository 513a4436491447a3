//! The last line is a parameter.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> TripRequest {
        let _quote = price_trip { trip };
        trip
    }
}

fn main() {}
