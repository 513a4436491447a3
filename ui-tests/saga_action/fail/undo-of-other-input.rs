//! The undo takes another type than the input.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(undo = unbook(leg))]
async fn book(leg: &Leg) -> Result<Flight, String> {
    let _ = leg;
    Ok(Flight { no: 1 })
}

async fn unbook(_card: &Card) -> Result<(), String> {
    Ok(())
}

fn main() {}
