//! The action takes a context, the undo does not.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(undo = unbook(output))]
async fn book(_cx: &ActionContext<Agency>, leg: &Leg) -> Result<Flight, String> {
    let _ = leg;
    Ok(Flight { no: 1 })
}

async fn unbook(_flight: &Flight) -> Result<(), String> {
    Ok(())
}

fn main() {}
