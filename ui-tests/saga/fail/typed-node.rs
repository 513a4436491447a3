//! A `let` with another type.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> String {
        let hotel: Car = book_hotel { city: &trip.city, nights: 2 };
        note { text: &hotel.id.to_string() }
    }
}

fn main() {}
