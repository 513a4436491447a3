//! An arm with an attribute.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let _nights = match trip.nights {
            #[cfg(all())]
            0 => poke {},
            _ => poke {},
        };
        poke {};
    }
}

fn main() {}
