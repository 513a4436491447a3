//! Behind the pivot: nodes that are named after their action.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) {
        #[pivot]
        charge_card { card: &trip.card, cents: 1 };
        let _ = note { text: &charge_card.id };
    }
}

fn main() {}
