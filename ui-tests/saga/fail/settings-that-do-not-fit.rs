//! What a node says that means nothing for it.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        #[retry(forever)]
        let _a = for leg in [&trip.flight] { book_flight { leg } };
        #[pivot]
        let _b = if trip.nights > 3 { poke {} };
        #[timeout = "3s"]
        let _c = { trip.nights };
        #[concurrency = 2]
        let _d = poke {};
    }
}

fn main() {}
