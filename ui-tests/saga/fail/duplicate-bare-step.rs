//! A step that runs twice needs names.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Quote {
        poke {};
        poke {};
        price_trip { trip }
    }
}

fn main() {}
