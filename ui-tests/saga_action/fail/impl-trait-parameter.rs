//! `impl Trait` as a parameter.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(no_undo)]
async fn book(leg: impl AsRef<str> + Send) -> Result<u32, String> {
    let _ = leg.as_ref();
    Ok(1)
}

fn main() {}
