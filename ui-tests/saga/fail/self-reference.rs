//! A node looks up itself.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>() -> String {
        let hotel = book_hotel { city: &hotel.name, nights: 2 };
        note { text: &hotel.name }
    }
}

fn main() {}
