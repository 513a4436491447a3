//! What is written for a step and is none: each is one error.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::actions::*;
use ui_tests::types::*;

fn price(nights: u32) -> u32 {
    nights * 95
}

saga! {
    Calls<Agency>(trip: TripRequest) -> String {
        let cents = price(trip.nights);
        let text = String::from("hello");
        let line = format!("{}", trip.nights);
        note { text: &format!("{cents}{text}{line}") }
    }
    Fields<Agency>(trip: TripRequest) -> String {
        let name = book_hotel { city: &trip.city, nights: 1 }.name;
        let length = note { text: &trip.city }.len();
        let both = note { text: &trip.city } + "!";
        note { text: &format!("{name}{length}{both}") }
    }
    Positional<Agency>(trip: TripRequest) -> Hotel { book_hotel { &trip.city, 2 } }
    Assigned<Agency>(trip: TripRequest) -> Hotel { book_hotel { city = &trip.city, nights = 2 } }
    Semicolon<Agency>(trip: TripRequest) -> Hotel { book_hotel { city: &trip.city; nights: 2 } }
    Keyword<Agency>(trip: TripRequest) -> usize { r#match { type: &trip.city } }
    NoBraces<Agency>(trip: TripRequest) -> String {
        let noted = note text: &trip.city;
        noted
    }
    Nothing<Agency>(trip: TripRequest) -> Option<String> {
        let _noted = note { text: &trip.city };
        None
    }
}

fn main() {}
