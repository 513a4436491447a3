//! A probe is an `async fn`, as its action is.
#![allow(unused)]

use saga_core::Probe;
use saga_core::prelude::*;

#[saga_action(no_undo, probe = find)]
async fn charge(cents: u32) -> Result<u32, String> {
    Ok(cents)
}

fn find(cents: u32) -> Result<Probe<u32>, String> {
    Ok(Probe::Done(cents))
}

fn main() {}
