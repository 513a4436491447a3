//! A saga that is a node of itself.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(city: String) -> Car {
        let _again = S { city: city.clone() };
        let _deep = if city.is_empty() { S { city: city.clone() } };
        rent_car { city }
    }
}

fn main() {}
