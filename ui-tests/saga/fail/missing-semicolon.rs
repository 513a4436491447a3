//! A `;` is missing.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Quote {
        let car = rent_car { city: &trip.city }
        let _late = note { text: &car.id.to_string() };
        price_trip { trip }
    }
}

fn main() {}
