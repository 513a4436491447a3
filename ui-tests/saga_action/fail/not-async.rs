//! `async` is forgotten.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(no_undo)]
fn book(leg: &Leg) -> Result<u32, String> {
    std::future::ready(()).await;
    let _ = leg;
    Ok(1)
}

fn main() {}
