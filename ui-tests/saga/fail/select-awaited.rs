//! A `select` awaits its arms.
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
        let done = select {
            wire = wait_for::<Wire> {}.await => note { text: &wire.cents.to_string() },
            _ = sleep { duration: Duration::from_secs(60) } => note { text: "too late" },
        };
        done
    }
}

fn main() {}
