//! A number is no list.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Vec<String> {
        for night in trip.nights { note { text: "night" } }
    }
}

fn main() {}
