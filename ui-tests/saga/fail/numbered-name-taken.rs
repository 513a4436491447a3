//! A node that is called as a `for` without a name is.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let for_1 = book_flight { leg: &trip.flight };
        for _night in 0..trip.nights { note { text: &for_1.no.to_string() } }
        let note_1 = note { text: "one" };
        let _ = note { text: note_1 };
    }
}

fn main() {}
