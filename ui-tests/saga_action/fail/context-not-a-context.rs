//! `cx` is something else.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(no_undo)]
async fn book(cx: &Agency, leg: &Leg) -> Result<u32, String> {
    let _ = (cx, leg);
    Ok(1)
}

fn main() {}
