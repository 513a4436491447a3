//! What is written for an undo and is none: each is one error.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(undo = unbook(cx, output))]
async fn given_the_context(cx: &ActionContext<Agency>, leg: &Leg) -> Result<Leg, String> {
    let _ = cx;
    Ok(leg.clone())
}

#[saga_action(undo = forget(cx, output))]
async fn without_context(leg: &Leg) -> Result<Leg, String> {
    Ok(leg.clone())
}

#[saga_action(undo = none)]
async fn none(leg: &Leg) -> Result<Leg, String> {
    Ok(leg.clone())
}

#[saga_action(undo = false)]
async fn no(leg: &Leg) -> Result<Leg, String> {
    Ok(leg.clone())
}

#[saga_action(undo = |leg| async { Ok(()) })]
async fn closure(leg: &Leg) -> Result<Leg, String> {
    Ok(leg.clone())
}

#[saga_action(undo = forget(output).await)]
async fn awaited(leg: &Leg) -> Result<Leg, String> {
    Ok(leg.clone())
}

#[saga_action(undo = forget(&output))]
async fn borrowed(leg: &Leg) -> Result<Leg, String> {
    Ok(leg.clone())
}

#[saga_action(noundo)]
async fn misspelled(leg: &Leg) -> Result<Leg, String> {
    Ok(leg.clone())
}

#[saga_action(compensate = forget(output))]
async fn of_another_library(leg: &Leg) -> Result<Leg, String> {
    Ok(leg.clone())
}

async fn unbook(_cx: &ActionContext<Agency>, _leg: &Leg) -> Result<(), String> {
    Ok(())
}

async fn forget(_leg: &Leg) -> Result<(), String> {
    Ok(())
}

fn main() {
    let _ = unbook;
}
