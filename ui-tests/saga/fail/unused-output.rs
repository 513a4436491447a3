//! An output that nothing reads. A bare step and a name with `_` say that none is needed.
#![deny(warnings)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    /// Four warnings.
    pub S<Agency>(trip: TripRequest) -> Quote {
        let hotel = book_hotel { city: &trip.city, nights: 2 };
        poke {};
        let _flight = book_flight { leg: &trip.flight };
        const REGION: u32 = 1;
        let sum = { 1 + 1 };
        let notes = for nights in [1, 2] {
            let room = book_hotel { city: &trip.city, nights };
            poke {}
        };
        price_trip { trip }
    }
}

fn main() {}
