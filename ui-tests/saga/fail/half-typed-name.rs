//! A `let` with an action that is being typed.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Quote {
        let hotel = book_ho
        let car = rent_car { city: &trip.city };
        let _late = note { text: &format!("{hotel:?} {car:?}") };
        price_trip { trip }
    }
}

fn main() {}
