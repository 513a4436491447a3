//! A node behind the pivot may give up.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(trip: TripRequest) -> Car {
        #[pivot]
        let payment = charge_card { card: &trip.card, cents: 1 };
        let room = book_hotel { city: &payment.id, nights: 1 };
        let typed: Hotel = book_hotel { city: &payment.id, nights: 1 };
        #[retry(forever)]
        let _fine = book_hotel { city: &payment.id, nights: 1 };
        let _each = for leg in [&trip.flight] { book_flight { leg } };
        rent_car { city: &format!("{room:?}{typed:?}") }
    }
}

fn main() {}
