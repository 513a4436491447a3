//! A body ends with something that is no node of it.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let car = rent_car { city: &trip.city };
        let _cars = for leg in [&trip.flight] { leg };
        let _other = if trip.nights > 1 { car };
    }
}

fn main() {}
