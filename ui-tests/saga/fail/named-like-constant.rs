//! A pattern that is the name of a constant is that constant, also in a `let`.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

const REGION: u32 = 1;

saga! {
    S<Agency>(trip: TripRequest) -> Hotel {
        const REGION: String = "eu".to_string();
        book_hotel { city: REGION, nights: trip.nights }
    }
}

fn main() {}
