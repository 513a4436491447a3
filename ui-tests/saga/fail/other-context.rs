//! An action over another context.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Quote {
        let _off = take_off {};
        price_trip { trip }
    }
}

fn main() {}
