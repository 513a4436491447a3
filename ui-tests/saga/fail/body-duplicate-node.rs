//! Two nodes of one name in a body; in two bodies they may be.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        let _flights = for leg in [&trip.flight] {
            let flight = book_flight { leg };
            let flight = book_flight { leg };
        };
        let _more = if trip.nights > 1 { let flight = book_flight { leg: &trip.flight }; flight };
    }
}

fn main() {}
