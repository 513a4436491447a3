//! A constant in a pattern that cannot be compared with.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    Text<Agency>(trip: TripRequest) -> String {
        const HOME: String = "Rome".to_string();
        match trip.city.as_str() { HOME => note { text: "home" }, _ => note { text: "away" } }
    }

    Below<Agency>(trip: TripRequest) -> String {
        let stay = match trip.nights { LONG => note { text: "long" }, _ => note { text: "short" } };
        const LONG: u32 = 14;
        note { text: &format!("{stay} {LONG}") }
    }

    Type<Agency>(trip: TripRequest) -> String {
        const LONG: i64 = 14;
        match trip.nights { LONG => note { text: "long" }, _ => note { text: "short" } }
    }

    Twice<Agency>(trip: TripRequest) -> String {
        const LONG: u32 = 14;
        note { text: { let short = { const LONG: u32 = 3; LONG }; match trip.nights - short { LONG => "long", _ => "short" } } }
    }
}

fn main() {}
