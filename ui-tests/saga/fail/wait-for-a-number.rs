//! A duration is no number.
#![allow(unused_imports)]

use std::time::Duration;

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>(seconds: u64) {
        sleep { duration: *seconds };
    }
}

fn main() {}
