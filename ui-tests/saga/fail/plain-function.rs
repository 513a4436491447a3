//! A function without `#[saga_action]`.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

async fn book(_leg: &Leg) -> Result<u32, String> {
    Ok(1)
}

saga! {
    S<Agency>(trip: TripRequest) -> Quote {
        let _booked = book { leg: &trip.flight };
        price_trip { trip }
    }
}

fn main() {}
