//! A node of a body is not visible outside of it.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let _flights = for leg in [&trip.flight] {
            let inner = book_flight { leg };
            inner
        };
        note { text: &inner.no.to_string() };
    }
}

fn main() {}
