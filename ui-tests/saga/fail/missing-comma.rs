//! A `,` is missing.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> String {
        let hotel = book_hotel { city: &trip.city nights: 2 };
        note { text: &hotel.name }
    }
}

fn main() {}
