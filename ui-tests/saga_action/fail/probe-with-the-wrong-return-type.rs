//! A probe returns `Result<Probe<Output>, Error>` with the output of its action.
#![allow(unused)]

use saga_core::Probe;
use saga_core::prelude::*;

#[saga_action(no_undo, probe = find_text)]
async fn charge(cents: u32) -> Result<u32, String> {
    Ok(cents)
}

async fn find_text(cents: u32) -> Result<Probe<String>, String> {
    Ok(Probe::Unknown)
}

#[saga_action(no_undo, probe = find_maybe)]
async fn pay(cents: u32) -> Result<u32, String> {
    Ok(cents)
}

async fn find_maybe(cents: u32) -> Result<Option<u32>, String> {
    Ok(Some(cents))
}

fn main() {}
