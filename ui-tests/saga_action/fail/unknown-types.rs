//! Types that are misspelled: each is one error.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(no_undo)]
async fn output(leg: &Leg) -> Result<Flihgt, String> {
    Ok(leg.clone())
}

#[saga_action(no_undo)]
async fn error(leg: &Leg) -> Result<Leg, Eror> {
    Ok(leg.clone())
}

#[saga_action(no_undo)]
async fn input(leg: &Lgg) -> Result<u32, String> {
    Ok(leg.price)
}

#[saga_action(no_undo)]
async fn context(cx: &ActionContext<Agncy>) -> Result<u32, String> {
    Ok(1)
}

fn main() {}
