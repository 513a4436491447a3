//! Which event comes is no question of what is in it.
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
            Wire { cents: 0 } = wait_for::<Wire> {} => note { text: "nothing" },
            _ = sleep { duration: Duration::from_secs(60) } => note { text: "too late" },
        }
    }
}

fn main() {}
