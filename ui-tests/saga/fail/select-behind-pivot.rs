//! What runs behind the pivot goes on until it succeeds.
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
        #[pivot]
        poke {};
        select {
            _wire = wait_for::<Wire> {} => note { text: "paid" },
            _ = sleep { duration: Duration::from_secs(60) } => {
                #[retry(forever)]
                let late = note { text: "too late" };
                late
            }
        }
    }
}

fn main() {}
