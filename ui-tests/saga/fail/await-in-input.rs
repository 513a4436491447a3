//! `.await` and `?` in an input.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Quote {
        let hotel = book_hotel { city: &trip.city, nights: trip.city.parse()? };
        let _car = rent_car { city: &std::future::ready(hotel.name.clone()).await };
        price_trip { trip }
    }
}

fn main() {}
