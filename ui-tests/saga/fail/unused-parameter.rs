//! A parameter that nothing reads is an unused variable; the output of a node is not: the node ran for
//! its effect, and a `_` in front would give it another name in the log.
#![deny(warnings)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    /// One warning.
    pub S<Agency>(trip: TripRequest, note: String) -> Quote {
        let hotel = book_hotel { city: &trip.city, nights: 2 };
        poke {};
        price_trip { trip }
    }
}

fn main() {}
