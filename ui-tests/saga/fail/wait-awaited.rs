//! A wait is not awaited.
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
        let _approved = wait_for::<Approved> {}.await;
    }
}

fn main() {}
