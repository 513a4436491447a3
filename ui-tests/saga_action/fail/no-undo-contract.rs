//! Neither `undo` nor `no_undo`.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action]
async fn book(cx: &ActionContext<Agency>, leg: &Leg) -> Result<Flight, String> {
    let _ = (cx, leg);
    Ok(Flight { no: 1 })
}

fn main() {}
