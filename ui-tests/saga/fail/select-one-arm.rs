//! A race of one.
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
        let by = select {
            approved = wait_for::<Approved> {} => note { text: &approved.by },
        };
        by
    }
}

fn main() {}
