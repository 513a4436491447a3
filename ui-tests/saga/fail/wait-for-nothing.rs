//! A wait says for which event.
#![allow(unused_imports)]

use std::time::Duration;

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>() {
        let _approved = wait_for {};
    }
}

fn main() {}
