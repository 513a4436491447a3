//! A body reads a node that is declared below, and its own.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let cars = for leg in [&trip.flight] {
            let own = note { text: &format!("{}{}", leg.to, cars.len()) };
            let below = note { text: later };
            let next = note { text: more };
            let more = note { text: own };
        };
        let later = note { text: "later" };
    }
}

fn main() {}
