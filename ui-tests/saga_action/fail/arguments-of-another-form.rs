//! Arguments that are not written as they must be: each is one error.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(no_undo = because, name = book_flight, label = 5, timeout = "0s", in_doubt = "lost")]
async fn book(leg: &Leg) -> Result<u32, String> {
    let _ = leg;
    Ok(1)
}

#[saga_action(no_undo, retry(3))]
async fn rebook(leg: &Leg) -> Result<u32, String> {
    let _ = leg;
    Ok(1)
}

#[saga_action(no_undo, retry(max = 3, when = |_| true), crate = "saga_core")]
async fn reserve(leg: &Leg) -> Result<u32, String> {
    let _ = leg;
    Ok(1)
}

#[saga_action(no_undo rev = 2)]
async fn confirm(leg: &Leg) -> Result<u32, String> {
    let _ = leg;
    Ok(1)
}

#[saga_action("no_undo")]
async fn quoted(leg: &Leg) -> Result<u32, String> {
    let _ = leg;
    Ok(1)
}

fn main() {}
