//! All arms have one type.
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
        let _done = select {
            wire = wait_for::<Wire> {} => add { a: 1, b: wire.cents as u32 },
            _ = sleep { duration: Duration::from_secs(60) } => note { text: "too late" },
        };
    }
}

fn main() {}
