//! `..base` in a step.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Quote {
        let _hotel = book_hotel { city: &trip.city, ..Default::default() };
        price_trip { trip }
    }
}

fn main() {}
