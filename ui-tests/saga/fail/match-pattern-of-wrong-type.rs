//! A pattern of another type.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let _car = match trip.nights {
            Some(n) => note { text: &format!("{n}") },
            None => note { text: "none" },
        };
        poke {};
    }
}

fn main() {}
