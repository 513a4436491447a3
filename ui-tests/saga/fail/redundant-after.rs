//! A node waits for what it reads, and for the statements above its own.
#![deny(warnings)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    /// Three of the four change nothing.
    pub S<Agency>(trip: TripRequest) {
        let quote = price_trip { trip };
        #[after(quote)]
        poke {};
        parallel {
            let flight = book_flight { leg: &trip.flight };
            let hotel = book_hotel { city: &trip.city, nights: trip.nights };
            #[after(flight, hotel)]
            note { text: &hotel.name };
            #[after(note, hotel)]
            rent_car { city: &trip.city };
        }
    }
}

fn main() {}
