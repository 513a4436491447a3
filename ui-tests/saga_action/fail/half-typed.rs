//! The attribute is being written.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(no_undo, timeout = )]
async fn book(leg: &Leg) -> Result<u32, String> {
    let _ = leg;
    Ok(1)
}

saga! {
    Book<()>(leg: Leg) -> u32 {
        book { leg }
    }
}

fn main() {}
