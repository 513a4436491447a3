//! The output of a subsaga is another type.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    Inner<Agency>(city: String) -> Car { rent_car { city } }
    Outer<Agency>(trip: TripRequest) -> Hotel {
        let car: Hotel = Inner { city: trip.city.clone() };
        note { text: &car.name };
        Inner { city: trip.city.clone() }
    }
}

fn main() {}
