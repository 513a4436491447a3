//! An arm gives another type than the one that is written.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let _booked: Car = match trip.nights {
            0 => rent_car { city: &trip.city },
            nights => book_hotel { city: &trip.city, nights },
        };
        poke {};
    }
}

fn main() {}
