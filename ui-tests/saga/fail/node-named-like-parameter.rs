//! A node has the name of a parameter.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> String {
        let trip = rent_car { city: &trip.city };
        note { text: &trip.id.to_string() }
    }
}

fn main() {}
