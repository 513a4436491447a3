//! The value of a `try` without an `else`.
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
        let seat: Result<u32, String> = try { note { text: "seat" } };
        { format!("{seat:?}") }
    }
}

fn main() {}
