//! The same for bodies of several nodes.
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
    S<Agency>() {
        let _done = select {
            approved = wait_for::<Approved> {} => {
                let told = note { text: &approved.by };
                { told.len() }
            }
            _ = sleep { duration: Duration::from_secs(60) } => {
                let told = note { text: "too late" };
                { told.clone() }
            }
        };
    }
}

fn main() {}
