//! Durations that no store can keep, and that nobody waits for.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(no_undo, timeout = "9999999h", retry(max = 3, cap = "99999999999999999999s"))]
async fn book(leg: &Leg) -> Result<u32, String> {
    let _ = leg;
    Ok(1)
}

fn main() {}
