//! A pivot that does not stand in the saga itself.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        parallel {
            #[pivot]
            let _a = poke {};
            { #[pivot] let _b = poke {}; }
        }
        let _c = for leg in [&trip.flight] { #[pivot] book_flight { leg } };
        let _d = if trip.nights > 3 { #[pivot] poke {}; };
        let _e = match trip.nights { 0 => { #[pivot] poke {} } _ => poke {} };
    }
}

fn main() {}
