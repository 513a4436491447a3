//! A struct that is no action.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Quote {
        let _leg = Leg { from: trip.city.clone(), to: String::new() };
        price_trip { trip }
    }
}

fn main() {}
