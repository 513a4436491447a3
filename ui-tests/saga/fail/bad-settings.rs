//! Settings with something wrong in them.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        #[retry]
        let _a = poke {};
        #[retry(max = 0)]
        let _b = poke {};
        #[retry(forever, when = x)]
        let _c = poke {};
        #[timeout = "3 s"]
        let _d = poke {};
        #[label]
        let _e = poke {};
        #[concurrency = 0]
        let _f = for leg in [&trip.flight] { book_flight { leg } };
        #[pivot(now)]
        let _g = poke {};
        #[label = "a"]
        #[label = "b"]
        let _h = poke {};
    }
}

fn main() {}
