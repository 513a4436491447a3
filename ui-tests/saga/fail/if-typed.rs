//! Without `else` the output is an `Option`.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let _booked: Car = if trip.nights == 0 { rent_car { city: &trip.city } };
        poke {};
    }
}

fn main() {}
