//! The last line returns something else.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Itinerary {
        let _car = rent_car { city: &trip.city };
        price_trip { trip }
    }
}

fn main() {}
