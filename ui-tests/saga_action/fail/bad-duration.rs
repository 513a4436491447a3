//! Durations without a unit, without quotes, and with an unknown unit.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(no_undo, timeout = "30", retry(max = 3, base = 100, cap = "1 day"))]
async fn book(leg: &Leg) -> Result<u32, String> {
    let _ = leg;
    Ok(1)
}

fn main() {}
