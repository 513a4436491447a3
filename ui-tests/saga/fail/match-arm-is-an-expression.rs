//! An arm is a node.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let _nights = match trip.nights {
            0 => 1,
            n => n,
        };
        poke {};
    }
}

fn main() {}
