//! An output that nothing reads is an unused variable, unless its name starts with `_`. A bare step is
//! none.
#![deny(warnings)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    /// One warning.
    pub S<Agency>(trip: TripRequest) -> Quote {
        let hotel = book_hotel { city: &trip.city, nights: 2 };
        let _car = rent_car { city: &trip.city };
        poke {};
        price_trip { trip }
    }
}

fn main() {}
