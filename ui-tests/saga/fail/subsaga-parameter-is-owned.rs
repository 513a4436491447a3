//! A parameter of a subsaga is owned.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    Inner<Agency>(city: String, nights: u32) -> Hotel { book_hotel { city, nights: *nights } }
    Outer<Agency>(trip: TripRequest) -> Hotel {
        Inner { city: &trip.city, nights: trip.nights }
    }
}

fn main() {}
