//! The same for a saga.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    #[name = "a/b"]
    First<()>() { poke {}; }
    #[retry(max = 3)]
    Second<()>() { poke {}; }
    #[name]
    Third<()>() { poke {}; }
    #[version = "2"]
    Fourth<()>() { poke {}; }
    #[version = 0]
    Fifth<()>() { poke {}; }
    #[version(2)]
    Sixth<()>() { poke {}; }
}

fn main() {}
