//! A saga has effects too.
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
            _ = Inner {} => note { text: "done" },
            _ = sleep { duration: Duration::from_secs(60) } => note { text: "too late" },
        }
    }

    Inner<Agency>() {
        poke {};
    }
}

fn main() {}
