//! The output is an alias of something else.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

type Booked = Flight;

#[saga_action(no_undo)]
async fn book(leg: &Leg) -> Booked {
    let _ = leg;
    Flight { no: 1 }
}

fn main() {}
