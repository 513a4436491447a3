//! Also side by side.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Quote {
        parallel {
            let a = note { text: &format!("{b}") };
            let b = note { text: a };
        }
        price_trip { trip }
    }
}

fn main() {}
