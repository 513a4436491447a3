//! The same with arms of several statements.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let _booked = match trip.nights {
            0 => {
                let car = rent_car { city: &trip.city };
                car
            }
            1 => rent_car { city: "x" },
            _ => {
                poke {};
            }
        };
        poke {};
    }
}

fn main() {}
