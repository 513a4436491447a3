//! What a saga waits for is declared with `#[saga_event]`.
#![allow(unused_imports)]

use std::time::Duration;

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

struct Approved {
    by: String,
}

saga! {
    S<Agency>() {
        let _approved = wait_for::<Approved> {};
    }
}

fn main() {}
