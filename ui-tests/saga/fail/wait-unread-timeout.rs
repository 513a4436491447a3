//! With a timeout there may be no event.
#![allow(unused_imports)]

use std::time::Duration;

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

#[saga_event]
struct Approved {
    by: String,
}

saga! {
    S<Agency>() -> String {
        let approved = wait_for::<Approved> { timeout: Duration::from_secs(1) };
        { approved.by.clone() }
    }
}

fn main() {}
