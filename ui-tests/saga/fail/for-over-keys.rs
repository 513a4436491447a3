//! An iterator over what has no order, and one without an end.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

use std::collections::HashMap;

saga! {
    Keys<Agency>(cities: HashMap<String, u32>) -> Vec<String> {
        for (i, city) in cities.keys().enumerate() { note { text: &format!("{i}: {city}") } }
    }

    Open<Agency>(trip: TripRequest) -> Vec<String> {
        for night in trip.nights.. { note { text: &night.to_string() } }
    }
}

fn main() {}
