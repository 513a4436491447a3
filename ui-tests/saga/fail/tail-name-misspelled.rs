//! The named node is not there.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Quote {
        let quote = price_trip { trip };
        note { text: &quote.cents.to_string() };
        qoute
    }
}

fn main() {}
