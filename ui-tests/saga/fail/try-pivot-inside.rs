//! The point of no return in a body that can be undone.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let _a = try { #[pivot] poke {}; } else { #[pivot] poke {}; };
        let _b = book_hotel { city: &trip.city, nights: 1 };
    }
}

fn main() {}
