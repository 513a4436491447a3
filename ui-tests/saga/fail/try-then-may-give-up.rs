//! Behind the pivot, the `else` of a `try` must not give up; its body may.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        #[pivot]
        poke {};
        let _hotel = try { book_hotel { city: &trip.city, nights: 1 } };
        let _car = try {
            rent_car { city: &trip.city }
        } else {
            rent_car { city: "elsewhere" }
        };
    }
}

fn main() {}
