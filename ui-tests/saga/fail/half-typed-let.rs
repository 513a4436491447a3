//! A `let` without anything.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Quote {
        let hotel =
        let car = rent_car { city: &trip.city };
        let _late = note { text: &format!("{} {}", hotel.name, car.id) };
        price_trip { trip }
    }
}

fn main() {}
