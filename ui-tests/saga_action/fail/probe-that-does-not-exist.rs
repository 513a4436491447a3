//! The name of a probe is that of a function, without a list of what it takes.
#![allow(unused)]

use saga_core::Probe;
use saga_core::prelude::*;

#[saga_action(no_undo, probe = find_paymnet)]
async fn charge(cents: u32) -> Result<u32, String> {
    Ok(cents)
}

async fn find_payment(cents: u32) -> Result<Probe<u32>, String> {
    Ok(Probe::Done(cents))
}

#[saga_action(no_undo, probe = find_payment(cents))]
async fn pay(cents: u32) -> Result<u32, String> {
    Ok(cents)
}

#[saga_action(no_undo, probe)]
async fn transfer(cents: u32) -> Result<u32, String> {
    Ok(cents)
}

fn main() {}
