//! A misspelled saga, a misspelled parameter and a missing one.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    Inner<Agency>(city: String) -> Car { rent_car { city } }
    Outer<Agency>(trip: TripRequest) {
        let _a = Iner { city: trip.city.clone() };
        let _b = Inner { cty: trip.city.clone() };
        let _c = Inner {};
    }
}

fn main() {}
