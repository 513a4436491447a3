//! A `pub` action whose output is not.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[derive(serde::Serialize, serde::Deserialize)]
struct Private;

#[saga_action(no_undo)]
pub async fn book(leg: &Leg) -> Result<Private, String> {
    let _ = leg;
    Ok(Private)
}

fn main() {}
