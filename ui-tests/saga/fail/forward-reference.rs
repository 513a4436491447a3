//! A node looks up one that is declared below.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Quote {
        let _note = note { text: &hotel.name };
        let hotel = book_hotel { city: &trip.city, nights: 2 };
        let _other = note { text: &hotel.nam };
        price_trip { trip }
    }
}

fn main() {}
