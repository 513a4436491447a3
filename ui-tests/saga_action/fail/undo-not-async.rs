//! The undo is a plain function.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(undo = unbook(output))]
async fn book(leg: &Leg) -> Result<Flight, String> {
    let _ = leg;
    Ok(Flight { no: 1 })
}

fn unbook(_flight: &Flight) -> Result<(), String> {
    Ok(())
}

fn main() {}
