//! The output cannot be written to the log.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

pub struct Ticket;

#[saga_action(no_undo)]
async fn book(leg: &Leg) -> Result<Ticket, String> {
    let _ = leg;
    Ok(Ticket)
}

fn main() {}
