//! An arm waits for a type that is declared with `#[saga_event]`.
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
            _ = wait_for::<Payment> {} => note { text: "paid" },
            _ = sleep { duration: Duration::from_secs(60) } => note { text: "too late" },
        }
    }
}

fn main() {}
