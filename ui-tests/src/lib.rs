//! The actions of a travel agency, which the cases of `saga/` and `saga_action/` use.
//!
//! This library is itself a case: the expansions in it must be clean under all of these lints.
#![deny(warnings, missing_docs, clippy::pedantic, rust_2018_idioms, unused)]
// about the functions below, not about what is made of them
#![allow(clippy::missing_errors_doc, clippy::unused_async, clippy::must_use_candidate)]
#![allow(clippy::needless_lifetimes)]

pub mod actions;
pub mod types;

use actions::{book_flight, book_hotel, charge_card, issue_itinerary, price_trip, rent_car};
use saga_core::prelude::*;
use types::{Agency, Itinerary, TripRequest};

saga! {
    /// Books a flight, a hotel and a car and charges for them: all of it, or nothing.
    pub BookTrip<Agency>(trip: TripRequest) -> Itinerary {
        let quote = price_trip { trip };
        parallel {
            let flight = book_flight { leg: &trip.flight };
            let hotel  = book_hotel { city: &trip.city, nights: trip.nights };
            let car    = rent_car { city: &trip.city };
        }
        let payment = charge_card { card: &trip.card, cents: quote.cents };
        issue_itinerary { trip, flight, hotel, car, payment }
    }
}
