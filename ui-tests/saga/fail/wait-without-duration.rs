//! How long it sleeps must be said.
#![allow(unused_imports)]

use std::time::Duration;

use saga_core::prelude::*;
use ui_tests::{actions::*, types::*};

saga! {
    S<Agency>() {
        sleep {};
    }
}

fn main() {}
