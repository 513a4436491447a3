//! There is no output.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(no_undo)]
async fn book(leg: &Leg) {
    let _ = leg;
}

fn main() {}
