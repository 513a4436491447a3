//! A body ends with what cannot be stored.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    Outer<Agency>(trip: TripRequest) {
        let _a = for leg in [&trip.flight] { { std::time::Instant::now() } };
        let _b = if trip.nights > 3 { std::ops::Range { start: std::sync::Mutex::new(1), end: std::sync::Mutex::new(1) } };
        poke {};
    }
}

fn main() {}
