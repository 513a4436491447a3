//! Only the first arm could get it.
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
            first = wait_for::<Wire> {} => note { text: &first.cents.to_string() },
            second = wait_for::<Wire> {} => note { text: &second.cents.to_string() },
        }
    }
}

fn main() {}
