//! A value that no arm is for.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(car: Option<u32>) {
        let _car = match car {
            Some(1..) => rent_car { city: "x" },
            None => rent_car { city: "y" },
        };
        poke {};
    }
}

fn main() {}
