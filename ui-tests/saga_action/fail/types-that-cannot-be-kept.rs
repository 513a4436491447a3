//! Outputs that the log cannot hold, and errors that are none: each is one error, at its type.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(no_undo)]
async fn hidden(leg: &Leg) -> Result<impl serde::Serialize, String> {
    Ok(leg.clone())
}

#[saga_action(no_undo)]
async fn shared(leg: &Leg) -> Result<std::rc::Rc<Leg>, String> {
    Ok(std::rc::Rc::new(leg.clone()))
}

#[saga_action(no_undo)]
async fn any(leg: &Leg) -> Result<Box<dyn std::fmt::Debug>, String> {
    Ok(Box::new(leg.clone()))
}

#[saga_action(no_undo)]
async fn text(_leg: &Leg) -> Result<&'static str, String> {
    Ok("booked")
}

#[saga_action(no_undo)]
async fn hidden_error(leg: &Leg) -> Result<Leg, impl std::error::Error> {
    Ok::<_, std::fmt::Error>(leg.clone())
}

#[saga_action(no_undo)]
async fn any_error(leg: &Leg) -> Result<Leg, Box<dyn std::error::Error>> {
    Ok(leg.clone())
}

#[saga_action(no_undo)]
async fn borrowed_error(leg: &Leg) -> Result<Leg, &str> {
    Err(&leg.to)
}

fn main() {}
