//! The undo is only named, as a string.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(undo = "unbook")]
async fn book(leg: &Leg) -> Result<Flight, String> {
    let _ = leg;
    Ok(Flight { no: 1 })
}

#[allow(dead_code)]
async fn unbook(_flight: &Flight) -> Result<(), String> {
    Ok(())
}

fn main() {}
