//! An action that is not there.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Quote {
        let flight = book_flihgt { leg: &trip.flight };
        let _note = note { text: &format!("{flight:?}") };
        price_trip { trip }
    }
}

fn main() {}
