//! An input that returns, breaks or continues.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        note { text: return };
        let a = note { text: { break; } };
        let _b = for leg in [{ continue; }] { book_flight { leg } };
        let _c = if trip.nights > return { poke {} };
        let _fine = note { text: loop { break a; } };
    }
}

fn main() {}
