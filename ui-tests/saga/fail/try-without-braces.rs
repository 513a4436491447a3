//! `try` in other places than before a body.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let _a = try book_hotel { city: &trip.city, nights: 1 };
        let _b = try { poke {} } else if trip.nights > 3 { poke {} };
        poke {};
    }
}

fn main() {}
