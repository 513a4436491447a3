//! `#[after]` names what is not there.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let hotel = book_hotel { city: &trip.city, nights: 2 };
        #[after(hotle, trip, later)]
        let _car = rent_car { city: &hotel.name };
        let later = poke {};
        #[after(later)]
        price_trip { trip };
    }
}

fn main() {}
