//! An arm of the last line gives another type than the saga.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Car {
        match trip.nights {
            0 => rent_car { city: &trip.city },
            nights => book_hotel { city: &trip.city, nights },
        }
    }
}

fn main() {}
