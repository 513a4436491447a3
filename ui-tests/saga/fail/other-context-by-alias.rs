//! An action over another context, which it calls by an alias.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Airline>(city: String) -> String {
        parallel {
            let car = rent_car { city };
            #[after(car)]
            let again = rent_car { city };
        }
        note { text: &again.id.to_string() }
    }
    T<Airline>(city: String) -> Car {
        rent_car { city }
    }
}

fn main() {}
