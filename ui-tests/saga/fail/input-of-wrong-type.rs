//! A node where its field is meant, and a literal.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Quote {
        let _hotel = book_hotel { city: 3, nights: trip };
        price_trip { trip }
    }
}

fn main() {}
