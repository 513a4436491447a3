//! A pattern as a parameter.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(no_undo)]
async fn book((from, to): (u32, u32)) -> Result<u32, String> {
    Ok(from + to)
}

fn main() {}
