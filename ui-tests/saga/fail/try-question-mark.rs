//! `?`, `return` and `break` in a `try`.
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
        let a = try { note { text: "a" }? };
        let b = try { return note { text: "b" } };
        let c = try {
            let seat = note { text: "c" }?;
            seat
        };
        note { text: "done" }
    }
}

fn main() {}
