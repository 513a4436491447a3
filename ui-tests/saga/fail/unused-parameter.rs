//! A parameter that nothing reads.
#![deny(warnings)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    /// One warning.
    pub S<Agency>(trip: TripRequest, note: String) -> Quote {
        price_trip { trip }
    }
}

fn main() {}
