//! `#[after]` names a node outside of its body.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let car = rent_car { city: &trip.city };
        let _flights = for leg in [&trip.flight] {
            #[after(car)]
            book_flight { leg };
            #[after(_fligts)]
            note { text: &leg.to };
        };
    }
}

fn main() {}
