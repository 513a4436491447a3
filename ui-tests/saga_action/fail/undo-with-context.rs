//! The undo takes a context, the action does not.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(undo = unbook(output?, leg))]
async fn book(leg: &Leg) -> Result<Flight, String> {
    let _ = leg;
    Ok(Flight { no: 1 })
}

async fn unbook(
    _cx: &ActionContext<Agency>,
    _flight: Option<&Flight>,
    _leg: &Leg,
) -> Result<(), String> {
    Ok(())
}

fn main() {}
