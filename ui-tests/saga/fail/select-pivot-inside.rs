//! The point of no return is in the saga itself.
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
            _wire = wait_for::<Wire> {} => {
                #[pivot]
                let paid = note { text: "paid" };
                paid
            }
            _ = sleep { duration: Duration::from_secs(60) } => note { text: "too late" },
        }
    }
}

fn main() {}
