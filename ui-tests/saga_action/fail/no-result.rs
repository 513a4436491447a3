//! The output is not a `Result`.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(no_undo)]
async fn book(leg: &Leg) -> u32 {
    let _ = leg;
    1
}

fn main() {}
