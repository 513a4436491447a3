//! A `;` is missing after a bare step.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Quote {
        poke {}
        price_trip { trip }
    }
}

fn main() {}
