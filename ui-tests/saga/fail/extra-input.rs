//! An input too many.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Quote {
        let _hotel = book_hotel { city: &trip.city, nights: 2, stars: 5 };
        price_trip { trip }
    }
}

fn main() {}
