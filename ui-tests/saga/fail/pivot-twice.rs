//! Two points of no return.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        #[pivot]
        let payment = charge_card { card: &trip.card, cents: 1 };
        #[pivot]
        #[retry(forever)]
        note { text: &payment.id };
    }
}

fn main() {}
