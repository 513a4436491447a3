//! The mistakes of one saga leave the other alone.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    First(trip: TripRequest) -> Quote {
        price_trip { trip }
    }

    pub Second<Agency>(trip: TripRequest) -> Quote {
        let _x = rent_car { city: trp };
        price_trip { trip }
    }
}

fn _use(trip: TripRequest) -> (First, Second) {
    (First { trip: trip.clone() }, Second { trip })
}

fn main() {}
