//! A condition cannot await.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let _car = if is_free().await { rent_car { city: &trip.city } };
        let _other = match name()? { _ => rent_car { city: &trip.city } };
        poke {};
    }
}

fn main() {}
