//! The context is not the first parameter, or there are two.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(undo = unbook(output))]
async fn book(leg: &Leg, cx: &ActionContext<Agency>) -> Result<Flight, String> {
    let _ = (cx, leg);
    Ok(Flight { no: 1 })
}

#[saga_action(undo = unbook(output))]
async fn rebook(
    cx: &ActionContext<Agency>,
    other: &ActionContext<Agency>,
) -> Result<Flight, String> {
    let _ = (cx, other);
    Ok(Flight { no: 1 })
}

async fn unbook(_cx: &ActionContext<Agency>, _flight: &Flight) -> Result<(), String> {
    Ok(())
}

saga! {
    S<Agency>(trip: TripRequest) -> Flight {
        let _again = rebook {};
        book { leg: &trip.flight }
    }
}

fn main() {}
