//! A computed node that cannot be written to the log.
#![allow(unused_imports)]

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>() -> String {
        let instant = { std::time::Instant::now() };
        note { text: &format!("{instant:?}") }
    }
}

fn main() {}
