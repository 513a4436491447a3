//! An action over another context as the last line.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> () {
        let _price = price_trip { trip };
        take_off {}
    }
}

fn main() {}
