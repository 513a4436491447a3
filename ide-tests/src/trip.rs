//! The saga that the tests edit: what is being typed comes in place of the comment.

use saga_core::prelude::*;

use crate::actions::{TripRequest, book_flight, book_hotel, confirm, rent_car};

saga! {
    /// Books a flight and a hotel.
    pub BookTrip<()>(trip: TripRequest) -> String {
        let flight = book_flight { city: &trip.city };
        let hotel = book_hotel { city: &trip.city, nights: trip.nights };
        // typed here
        let total = { flight.cents + hotel.cents };
        parallel {
            let car = rent_car { city: &flight.number, days: trip.nights };
            #[after(car)]
            let text = confirm { flight, hotel, cents: *total };
        }
        { format!("{text} {}", flight.number) }
    }
}
