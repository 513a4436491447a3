//! `parallel` is misspelled, or another block is hoped for. The nodes in it are there all the same.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Quote {
        paralel {
            let flight = book_flight { leg: &trip.flight };
            let car = rent_car { city: &trip.city };
        }
        Parallel {
            poke {};
            #[after(flight)]
            note { text: &format!("{flight:?}") };
        }
        sequence {
            { let _one = add { a: 1, b: car.id }; }
        }
        price_trip { trip }
    }
}

fn main() {}
