//! Signatures that no action can have: each is one error.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(no_undo)]
#[saga_action(no_undo)]
async fn attribute_twice(leg: &Leg) -> Result<Leg, String> {
    Ok(leg.clone())
}

#[saga_action(no_undo)]
async fn parameter_twice(_leg: &Leg, _leg: &Leg) -> Result<u32, String> {
    Ok(1)
}

#[saga_action(no_undo)]
async fn text(city: str) -> Result<String, String> {
    Ok(city.to_string())
}

#[saga_action(no_undo)]
async fn slice(legs: [Leg]) -> Result<usize, String> {
    Ok(legs.len())
}

#[saga_action(no_undo)]
async fn mutable(cx: &mut ActionContext<Agency>) -> Result<u32, String> {
    let _ = cx;
    Ok(1)
}

#[saga_action(no_undo)]
async fn of_any_context<C: Send + Sync + 'static>(cx: &ActionContext<C>) -> Result<u32, String> {
    let _ = cx;
    Ok(1)
}

#[saga_action(no_undo)]
async fn returns_a_list() -> Vec<Option<Hotel>> {
    Vec::new()
}

fn main() {}
