//! A constant that reads something.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> String {
        const CITY: String = trip.city.clone();
        note { text: CITY }
    }
}

fn main() {}
