//! Two actions of one name: rustc says so of the function, the struct and its traits, each time at the name.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(no_undo)]
pub async fn book(leg: &Leg) -> Result<Leg, String> {
    Ok(leg.clone())
}

#[saga_action(no_undo)]
pub async fn book(leg: &Leg) -> Result<Leg, String> {
    Ok(leg.clone())
}

fn main() {}
