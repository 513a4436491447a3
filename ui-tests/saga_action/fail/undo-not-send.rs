//! The undo keeps what cannot be sent across an await.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(undo = unbook(output))]
async fn book(leg: &Leg) -> Result<Flight, String> {
    let _ = leg;
    Ok(Flight { no: 1 })
}

async fn unbook(flight: &Flight) -> Result<(), String> {
    let flight = std::rc::Rc::new(flight.no);
    std::future::ready(()).await;
    println!("{flight}");
    Ok(())
}

fn main() {}
