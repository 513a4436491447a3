//! Only retries of an action have fresh keys, and the action says so, not a node.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(no_undo, fresh_key)]
async fn not_retried(leg: &Leg) -> Result<u32, String> {
    let _ = leg;
    Ok(1)
}

#[saga_action(undo = unbook(), undo_retry(max = 3, fresh_key))]
async fn book(leg: &Leg) -> Result<u32, String> {
    let _ = leg;
    Ok(1)
}

async fn unbook() -> Result<(), String> {
    Ok(())
}

#[saga_action(no_undo, retry(max = 3))]
async fn ask() -> Result<u32, String> {
    Ok(1)
}

saga! {
    Visit<Agency>() {
        #[retry(max = 3, fresh_key)]
        ask {};
    }
}

fn main() {}
