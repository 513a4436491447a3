//! A misspelled value of a `match`.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let _car = match trip.nighs {
            0 => rent_car { city: "x" },
            _ => rent_car { city: &trip.city },
        };
        poke {};
    }
}

fn main() {}
