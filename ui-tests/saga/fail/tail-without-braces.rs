//! The last line is an expression without braces.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> u64 {
        let quote = price_trip { trip };
        quote.cents + 1
    }
}

fn main() {}
