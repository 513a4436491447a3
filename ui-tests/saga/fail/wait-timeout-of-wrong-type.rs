//! A timeout is a `Duration`.
#![allow(unused_imports, dead_code)]

use std::time::Duration;

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

#[saga_event]
struct Approved {
    by: String,
}

#[saga_event]
struct Wire {
    cents: u64,
}

saga! {
    S<Agency>() {
        let _approved = wait_for::<Approved> { timeout: "2 days" };
        let _paid = wait_for::<Wire> { timeout: 60 };
        sleep { duration: 5 };
    }
}

fn main() {}
