//! Arms and bodies of plain values: one error for each construct.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::actions::*;
use ui_tests::types::*;

saga! {
    If<Agency>(nights: u32, city: String) -> Hotel {
        let nights_or_two = if *nights > 0 { *nights } else { 2 };
        book_hotel { city, nights: *nights_or_two }
    }
    Match<Agency>(nights: u32, city: String) -> Hotel {
        let name = match nights { 0 => "none", 1 => { "one" } _ => "many" };
        book_hotel { city: name, nights: *nights }
    }
    Mixed<Agency>(nights: u32, city: String) -> String {
        if *nights > 0 { note { text: city } } else { "none".to_string() }
    }
    Each<Agency>(cities: Vec<String>) -> Vec<String> {
        for city in cities { city.to_uppercase() }
    }
    SagaOutput<Agency>(cities: Vec<String>) -> Vec<String> {
        for city in cities {
            let _noted = note { text: city };
            break;
        }
    }
}

fn main() {}
