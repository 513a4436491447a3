//! The arms end with different types.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let _booked = match trip.nights {
            0 => rent_car { city: &trip.city },
            nights => book_hotel { city: &trip.city, nights },
        };
        poke {};
    }
}

fn main() {}
