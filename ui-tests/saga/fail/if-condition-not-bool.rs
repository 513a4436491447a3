//! A condition that is none.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let _car = if trip.nights { rent_car { city: &trip.city } };
        poke {};
    }
}

fn main() {}
