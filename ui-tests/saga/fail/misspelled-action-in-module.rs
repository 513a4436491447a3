//! The same by a path.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let _flight = actions::book_flihgt { leg: &trip.flight };
        actions::poke {};
    }
}

fn main() {}
