//! An expression without braces.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> String {
        let cents = trip.nights * 100;
        note { text: &cents.to_string() }
    }
}

fn main() {}
