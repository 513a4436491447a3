//! It has no value, and does not say how often to try.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(no_undo, retry(max = 3, fresh_key = true))]
async fn with_value(leg: &Leg) -> Result<u32, String> {
    let _ = leg;
    Ok(1)
}

#[saga_action(no_undo, retry(fresh_key))]
async fn how_often(leg: &Leg) -> Result<u32, String> {
    let _ = leg;
    Ok(1)
}

fn main() {}
