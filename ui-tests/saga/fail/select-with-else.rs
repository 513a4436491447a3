//! The words of other languages: `else`, `default`, a condition.
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
    S<Agency>(vip: bool) -> String {
        let a = select {
            wire = wait_for::<Wire> {} => note { text: &wire.cents.to_string() },
            else => note { text: "nothing yet" },
        };
        let b = select {
            wire = wait_for::<Wire> {}, if *vip => note { text: &wire.cents.to_string() },
            _ = sleep { duration: Duration::from_secs(60) } => note { text: "too late" },
        };
        note { text: &format!("{a} {b}") }
    }
}

fn main() {}
