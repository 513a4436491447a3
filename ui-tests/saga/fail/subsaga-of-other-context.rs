//! A saga over another context.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    Inner<Airline>() { take_off {}; }
    Outer<Agency>() {
        Inner {};
    }
    Last<Agency>() {
        Inner {}
    }
}

fn main() {}
