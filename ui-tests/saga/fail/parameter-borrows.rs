//! A parameter is a reference.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: &TripRequest) -> Quote {
        price_trip { trip }
    }
}

fn main() {}
