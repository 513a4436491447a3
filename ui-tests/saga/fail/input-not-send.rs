//! An input that is not `Send`.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> String {
        note { text: &std::rc::Rc::new(trip.city.clone()) }
    }
}

fn main() {}
