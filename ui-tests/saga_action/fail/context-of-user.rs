//! The context is the user's own type; a saga uses the action.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(undo = unbook(output))]
async fn book(cx: &Agency, leg: &Leg) -> Result<Flight, String> {
    let _ = (cx, leg);
    Ok(Flight { no: 1 })
}

async fn unbook(_cx: &Agency, _flight: &Flight) -> Result<(), String> {
    Ok(())
}

saga! {
    S<Agency>(trip: TripRequest) -> Flight {
        let _first = book { leg: &trip.flight };
        book { leg: &trip.flight }
    }
}

fn main() {}
