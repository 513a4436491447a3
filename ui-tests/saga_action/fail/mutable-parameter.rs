//! A mutable reference as a parameter.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(no_undo)]
async fn book(leg: &mut Leg) -> Result<u32, String> {
    leg.to.clear();
    Ok(1)
}

fn main() {}
