//! An argument twice.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(no_undo, timeout = "30s", timeout = "40s")]
async fn book(leg: &Leg) -> Result<u32, String> {
    let _ = leg;
    Ok(1)
}

fn main() {}
