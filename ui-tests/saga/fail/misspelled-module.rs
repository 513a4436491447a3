//! The module of an action.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        action::rent_car { city: &trip.city };
    }
}

fn main() {}
