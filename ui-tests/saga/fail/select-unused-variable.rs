//! As in a `match`.
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
    #[deny(unused_variables)]
    S<Agency>() -> String {
        select {
            wire = wait_for::<Wire> {} => note { text: "paid" },
            _ = sleep { duration: Duration::from_secs(60) } => note { text: "too late" },
        }
    }
}

fn main() {}
