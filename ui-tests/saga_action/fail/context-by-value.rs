//! The context is taken by value.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(undo = unbook(output))]
async fn book(cx: ActionContext<Agency>, leg: &Leg) -> Result<u32, String> {
    let _ = (cx, leg);
    Ok(1)
}

async fn unbook(_cx: &ActionContext<Agency>, _no: &u32) -> Result<(), String> {
    Ok(())
}

fn main() {}
