//! A `pub` saga over a context that is not.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

struct Private;

saga! {
    /// x
    pub S<Private>(trip: TripRequest) -> String {
        note { text: &trip.city }
    }
}

fn main() {}
