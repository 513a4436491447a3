//! What the language will have.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Quote {
        let flights = for leg in [&trip.flight] { book_flight { leg } };
        let car = if trip.nights > 3 { rent_car { city: &trip.city } } else { rent_car { city: "x" } };
        let hotel = match trip.nights {
            0 => book_hotel { city: "a", nights: 1 },
            nights => book_hotel { city: "b", nights },
        };
        for leg in &trip.flight { book_flight { leg } }
        poke {};
        #[pivot]
        let _note = note { text: &format!("{flights:?} {car:?} {}", hotel.name) };
        price_trip { trip }
    }
}

fn main() {}
