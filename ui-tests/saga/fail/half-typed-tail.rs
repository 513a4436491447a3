//! The last line is being typed.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Itinerary {
        let _car = rent_car { city: &trip.city };
        issue_itin
    }
}

fn main() {}
