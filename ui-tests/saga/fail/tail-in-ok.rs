//! The last line is written as that of a function.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Quote {
        let quote = price_trip { trip };
        Ok(Quote { cents: quote.cents })
    }
    T<Agency>(trip: TripRequest) -> Quote {
        let quote = price_trip { trip };
        Some(quote)
    }
    U<Agency>(trip: TripRequest) -> Quote {
        let quote = Ok(price_trip { trip });
        let _again = { quote.cents };
        Err("no price")
    }
}

fn main() {}
