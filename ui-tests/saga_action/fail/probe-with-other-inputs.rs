//! A probe takes what its action takes: the context if the action takes it, and then all of its inputs.
#![allow(unused)]

use saga_core::Probe;
use saga_core::prelude::*;

struct Bank;

#[saga_action(no_undo, probe = find_by_order)]
async fn charge(cx: &ActionContext<Bank>, cents: u32, order: &str) -> Result<u32, String> {
    Ok(cents)
}

async fn find_by_order(cx: &ActionContext<Bank>, order: &str) -> Result<Probe<u32>, String> {
    Ok(Probe::Unknown)
}

#[saga_action(no_undo, probe = find_without_context)]
async fn pay(cx: &ActionContext<Bank>, cents: u32) -> Result<u32, String> {
    Ok(cents)
}

async fn find_without_context(cents: u32) -> Result<Probe<u32>, String> {
    Ok(Probe::Unknown)
}

#[saga_action(no_undo, probe = find_by_name)]
async fn transfer(cents: u32) -> Result<u32, String> {
    Ok(cents)
}

async fn find_by_name(name: String) -> Result<Probe<u32>, String> {
    Ok(Probe::Unknown)
}

fn main() {}
