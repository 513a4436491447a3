//! A race of none.
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
        let by = select {};
        note { text: by }
    }
}

fn main() {}
