//! The undo is given more than it takes.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(undo = unbook(output, leg))]
async fn book(leg: &Leg) -> Result<Flight, String> {
    let _ = leg;
    Ok(Flight { no: 1 })
}

async fn unbook(_flight: &Flight) -> Result<(), String> {
    Ok(())
}

fn main() {}
