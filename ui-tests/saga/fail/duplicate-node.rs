//! Two nodes of one name.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> String {
        let car = rent_car { city: &trip.city };
        let car = rent_car { city: &car.id.to_string() };
        note { text: &car.id.to_string() }
    }
}

fn main() {}
