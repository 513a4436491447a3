//! A `match` without arms.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let _car = match trip.nights {};
        poke {};
    }
}

fn main() {}
