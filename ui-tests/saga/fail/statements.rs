//! Statements that the language does not have: each is one error, and the names that they declare are known.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::actions::*;
use ui_tests::types::*;

saga! {
    NoLet<Agency>(city: String) -> String {
        first = note { text: city };
        second: String = note { text: city };
        var third = note { text: city };
        note { text: &format!("{first}{second}{third}") }
    }
    Later<Agency>(city: String) -> String {
        let hotel;
        hotel = book_hotel { city, nights: 2 };
        note { text: &hotel.name }
    }
    Again<Agency>(city: String) -> String {
        let noted = note { text: city };
        noted = note { text: noted };
        note { text: noted }
    }
    Patterns<Agency>(leg: Leg) -> String {
        let (first, second) = note { text: &leg.from };
        let Some(third) = &leg.to else { return };
        note { text: &format!("{first}{second}{third}") }
    }
    Constants<Agency>(city: String) -> Hotel {
        const NIGHTS = 2;
        static MORE: u32 = 2;
        book_hotel { city, nights: *NIGHTS + *MORE }
    }
    Fields<Agency>(city: String) -> String {
        parallel {
            first: note { text: city },
            second: note { text: city },
        }
        note { text: &format!("{first}{second}") }
    }
    Named<Agency>(city: String) -> String {
        let both = parallel {
            let first = note { text: city };
            let second = note { text: city };
        };
        note { text: &format!("{first}{second}") }
    }
    Items<Agency>(city: String) -> String {
        use ui_tests::actions::note as write;
        fn shout(text: &str) -> String { text.to_uppercase() }
        write { text: &shout(city) }
    }
}

fn main() {}
