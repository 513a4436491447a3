//! The error is none.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

pub struct Oops;

#[saga_action(no_undo)]
async fn book(leg: &Leg) -> Result<u32, Oops> {
    let _ = leg;
    Ok(1)
}

fn main() {}
