//! The value of a `try` without `else` is a `Result`, and is used as if it were the output of its body.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let hotel = try { book_hotel { city: &trip.city, nights: 1 } };
        rent_car { city: &hotel.name };
    }
}

fn main() {}
