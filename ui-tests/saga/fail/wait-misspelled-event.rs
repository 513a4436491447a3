//! An event whose name is misspelled is one error.
#![allow(unused_imports)]

use std::time::Duration;

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

#[saga_event]
struct Approved {
    by: String,
}

saga! {
    S<Agency>() {
        let _approved = wait_for::<Aproved> {};
    }
}

fn main() {}
