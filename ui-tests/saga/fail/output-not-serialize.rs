//! The output cannot be written to the log.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

pub struct Ticket;

saga! {
    S<Agency>(trip: TripRequest) -> Ticket {
        let _t = price_trip { trip };
        Ticket {}
    }
}

fn main() {}
