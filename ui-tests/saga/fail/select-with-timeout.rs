//! The time is an arm of its own.
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
    S<Agency>() -> String {
        select {
            approved = wait_for::<Approved> { timeout: Duration::from_secs(60) } => note { text: "yes" },
            wire = wait_for::<Wire> {} => note { text: &wire.cents.to_string() },
        }
    }
}

fn main() {}
