//! The body of a `try` and its `else` end with different types.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let _booked = try {
            rent_car { city: &trip.city }
        } else {
            book_hotel { city: &trip.city, nights: 1 }
        };
        poke {};
    }
}

fn main() {}
