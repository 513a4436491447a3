//! The output is a type of the user's and not a `Result`; a saga uses it.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::types::*;

#[saga_action(undo = unbook(output))]
async fn book(leg: &Leg) -> Flight {
    let _ = leg;
    Flight { no: 1 }
}

#[allow(dead_code)]
async fn unbook(_flight: &Flight) -> Result<(), String> {
    Ok(())
}

saga! {
    S<Agency>(trip: TripRequest) -> Flight {
        book { leg: &trip.flight }
    }
}

fn main() {}
