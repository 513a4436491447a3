//! An arm that is never chosen.
#![allow(unused_imports)]
#![deny(unreachable_patterns)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(car: Option<u32>) {
        let _car = match car {
            _ => rent_car { city: "x" },
            None => rent_car { city: "y" },
        };
        poke {};
    }
}

fn main() {}
