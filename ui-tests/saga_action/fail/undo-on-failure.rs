//! Cleaning up after failures with an undo that needs the output, and without an undo.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(undo = unbook(output, leg), undo_on_failure)]
async fn book(leg: &Leg) -> Result<u32, String> {
    let _ = leg;
    Ok(1)
}

async fn unbook(_: &u32, _: &Leg) -> Result<(), String> {
    Ok(())
}

#[saga_action(no_undo, undo_on_failure)]
async fn look(leg: &Leg) -> Result<u32, String> {
    let _ = leg;
    Ok(1)
}

fn main() {}
