//! An arm says how its event is called.
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
        let a = select {
            wait_for::<Approved> {} => note { text: "yes" },
            _ = sleep { duration: Duration::from_secs(60) } => note { text: "too late" },
        };
        let b = select {
            approved = wait_for::<Approved> {} => note { text: &approved.by },
            sleep { duration: Duration::from_secs(60) } => note { text: "too late" },
        };
        note { text: &format!("{a} {b}") }
    }
}

fn main() {}
