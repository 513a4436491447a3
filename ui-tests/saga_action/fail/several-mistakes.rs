//! All are reported.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(undo = unbook(otuput), timout = "3s")]
fn book(leg: &Leg) -> u32 {
    let _ = leg;
    1
}

#[allow(dead_code)]
async fn unbook(_no: &u32) -> Result<(), String> {
    Ok(())
}

fn main() {}
