//! All are reported, in source order.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Quote {
        #[after(hotle)]
        let _a = rent_car { city: &tripp.city };
        let _b = rent_carr { city: "x" };
        let _c = rent_car { city: 3 };
        let _d = rent_car { cit: "x" };
        let _e = rent_car("x");
        price_trip { trip }
    }
}

fn main() {}
