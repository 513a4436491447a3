//! `forever` and `when` contradict each other.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(no_undo, retry(forever, when = is_transient, max = 3))]
async fn book(leg: &Leg) -> Result<u32, String> {
    let _ = leg;
    Ok(1)
}

#[allow(dead_code)]
fn is_transient(_: &String) -> bool {
    true
}

fn main() {}
