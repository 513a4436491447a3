//! The output is a reference.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(no_undo)]
async fn city(leg: &Leg) -> Result<&str, String> {
    Ok(&leg.to)
}

fn main() {}
