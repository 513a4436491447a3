//! A node of the body of a `try` is named outside.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let _stay = try {
            let hotel = book_hotel { city: &trip.city, nights: 1 };
            rent_car { city: &hotel.name }
        } else {
            rent_car { city: &hotel.name }
        };
        rent_car { city: &hotel.name };
    }
}

fn main() {}
