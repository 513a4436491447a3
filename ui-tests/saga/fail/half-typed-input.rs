//! An input that is being typed.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Quote {
        let hotel = book_hotel { city: &trip., nights: 2 };
        let car = rent_car { city: &trip.city };
        let _late = note { text: &format!("{} {}", hotel.name, car.id) };
        price_trip { trip }
    }
}

fn main() {}
