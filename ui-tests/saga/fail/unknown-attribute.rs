//! A misspelled attribute of a node.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Quote {
        #[affter(trip)]
        let _hotel = book_hotel { city: &trip.city, nights: 2 };
        price_trip { trip }
    }
}

fn main() {}
