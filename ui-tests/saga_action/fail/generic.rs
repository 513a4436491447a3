//! A type parameter.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(no_undo)]
async fn book<T: Send>(leg: T) -> Result<u32, String> {
    let _ = leg;
    Ok(1)
}

fn main() {}
