//! The context is left out.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S(trip: TripRequest) -> Quote {
        price_trip { trip }
    }
}

fn main() {}
